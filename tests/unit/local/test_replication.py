"""The rules of replication, one by one."""

from typing import Any

import pytest

from constructs_lib.local.replication.machine import Change, Item, Key, PairStatus, Replication
from constructs_lib.local.replication.unknowns import Backlog, TieBreak, UnchangedWrite, Unknowns, variants

US, EU, AP = "us-east-1", "eu-west-1", "ap-south-1"


def key(name: str) -> Key:
    return (("id", "S", name),)


def item(name: str, value: str, **others: str) -> Item:
    return {"id": {"S": name}, "value": {"S": value}, **{other: {"S": text} for other, text in others.items()}}


class Table:
    """Replicas under a clock of our own."""

    def __init__(self, *regions: str, lag: float = 0.0, unknowns: Unknowns | None = None) -> None:
        self.replication = Replication(regions or (US, EU), lag=lag, unknowns=unknowns)
        self.now = 100.0
        self.shown: dict[str, list[Any]] = {region: [] for region in regions or (US, EU)}

    def put(self, region: str, name: str, value: str) -> bool:
        return self.replication.write(region, key(name), item(name, value), self.now)

    def delete(self, region: str, name: str) -> bool:
        return self.replication.write(region, key(name), None, self.now)

    def arrives(self, region: str) -> Change | None:
        """Let the next change arrive in *region*; None if there is none."""
        change = self.replication.arrival(region, self.now)
        if change is not None:
            self.replication.accept(region, change, self.now)
            self.shown[region].append(change.item and change.item.get("value", {}).get("S"))
        return change

    def settle(self) -> None:
        """Let everything arrive that is due."""
        for _ in range(1000):
            if not any(self.arrives(region) for region in self.shown):
                return
        raise AssertionError("it never becomes quiet")

    def values(self, region: str) -> dict[str, str]:
        return {name[0][2]: one["value"]["S"] for name, one in self.replication.items(region).items()}  # type: ignore[misc]

    def pair(self, source: str, receiving: str) -> PairStatus:
        status = self.replication.status(self.now)
        return next(one for one in status if (one.source, one.receiving) == (source, receiving))


def test_a_write_reaches_every_other_replica() -> None:
    """All replicas hold all items, whichever region wrote them."""
    table = Table(US, EU, AP)
    table.put(US, "1", "us")
    table.put(AP, "2", "ap")
    table.settle()
    assert table.values(US) == table.values(EU) == table.values(AP) == {"1": "us", "2": "ap"}


def test_a_deletion_reaches_every_other_replica() -> None:
    """Also that of an item another region wrote."""
    table = Table(US, EU, AP)
    table.put(US, "1", "us")
    table.settle()
    table.now += 1
    table.delete(EU, "1")
    table.settle()
    assert table.values(US) == table.values(EU) == table.values(AP) == {}


def test_replication_is_asynchronous() -> None:
    """The writer sees its write at once, the others when it has arrived."""
    table = Table(lag=2.0)
    table.put(US, "1", "us")
    table.now += 1.9
    table.settle()
    assert (table.values(US), table.values(EU)) == ({"1": "us"}, {})
    table.now += 0.2
    table.settle()
    assert table.values(EU) == {"1": "us"}


def test_the_lag_counts_for_what_is_on_its_way_too() -> None:
    """It can be set at any time."""
    table = Table(lag=600.0)
    table.put(US, "1", "us")
    table.settle()
    assert table.values(EU) == {}
    table.replication.set_lag(0.0)
    table.settle()
    assert table.values(EU) == {"1": "us"}


def test_what_arrives_is_not_sent_on() -> None:
    """No echo, neither to the writer nor to a third region: each region shows each change once."""
    table = Table(US, EU, AP)
    table.put(US, "1", "us")
    table.settle()
    assert table.shown == {US: [], EU: ["us"], AP: ["us"]}
    assert all(one.waiting == 0 for one in table.replication.status(table.now))


def test_the_later_of_two_writes_wins_everywhere() -> None:
    """Each region has its own item until the other one's write arrives; the earlier one leaves no trace there."""
    table = Table(lag=5.0)
    table.put(US, "1", "earlier")
    table.now += 1
    table.put(EU, "1", "later")
    assert (table.values(US), table.values(EU)) == ({"1": "earlier"}, {"1": "later"})
    table.now += 5
    table.settle()
    assert table.values(US) == table.values(EU) == {"1": "later"}
    assert table.shown == {US: ["later"], EU: []}
    assert table.pair(US, EU).overruled == 1


def test_a_deletion_is_a_write_like_any_other() -> None:
    """A later one removes what was written elsewhere, an earlier one does not."""
    table = Table(lag=5.0)
    for name in ("kept", "gone"):
        table.put(US, name, "before")
    table.now += 6
    table.settle()
    table.delete(US, "kept")
    table.put(EU, "gone", "earlier")
    table.now += 1
    table.put(EU, "kept", "later")
    table.delete(US, "gone")
    table.now += 6
    table.settle()
    assert table.values(US) == table.values(EU) == {"kept": "later"}


def test_a_late_write_does_not_bring_back_what_was_deleted_after_it() -> None:
    """The deletion is remembered when there is no item any more."""
    table = Table(US, EU, AP)
    table.replication.pause(US, AP)
    table.put(US, "1", "us")
    table.settle()
    table.now += 1
    table.delete(EU, "1")
    table.settle()
    table.replication.resume(US, AP)
    table.settle()
    assert [table.values(region) for region in (US, EU, AP)] == [{}, {}, {}]


def test_items_are_decided_as_a_whole() -> None:
    """Two regions that write different attributes of an item do not get both."""
    table = Table(lag=5.0)
    table.replication.write(US, key("1"), {"id": {"S": "1"}, "a": {"S": "us"}}, 100.0)
    table.replication.write(EU, key("1"), {"id": {"S": "1"}, "b": {"S": "eu"}}, 101.0)
    table.now = 110.0
    table.settle()
    assert table.replication.items(US)[key("1")] == {"id": {"S": "1"}, "b": {"S": "eu"}}


def test_what_was_known_to_a_write_is_older_than_it() -> None:
    """Within a moment too, where times do not tell: what it replaced, of whatever region, loses to it."""
    for regions in ((US, EU), (EU, US)):
        for unknowns in variants():
            table = Table(*regions, unknowns=unknowns)
            table.put(regions[0], "1", "first")
            table.settle()
            table.put(regions[1], "1", "second")
            table.put(regions[1], "1", "third")
            table.settle()
            assert table.values(US) == table.values(EU) == {"1": "third"}


def test_a_transaction_is_replicated_item_by_item() -> None:
    """Elsewhere one of its items can be seen without the other, and one can lose without the other."""
    table = Table(lag=1.0)
    table.put(US, "a", "transaction")
    table.put(US, "b", "transaction")
    table.now += 0.5
    table.put(EU, "b", "later")
    table.now += 1
    table.arrives(EU)
    assert table.values(EU) == {"a": "transaction", "b": "later"}
    table.now += 1
    table.settle()
    assert table.values(US) == table.values(EU) == {"a": "transaction", "b": "later"}


def test_changes_of_a_region_arrive_in_their_order() -> None:
    """Those of an item at least; here all of a pair."""
    table = Table()
    for value in "abc":
        table.put(US, "1", value)
        table.put(US, value, value)
        table.now += 1
    table.settle()
    assert table.shown[EU] == ["a", "a", "b", "b", "c", "c"]


def test_a_partition_stops_a_pair_in_both_directions() -> None:
    """Both regions go on by themselves; a third one goes on hearing of both."""
    table = Table(US, EU, AP)
    table.replication.pause(EU, US)
    table.put(US, "us", "us")
    table.put(EU, "eu", "eu")
    table.settle()
    assert table.values(US) == {"us": "us"}
    assert table.values(EU) == {"eu": "eu"}
    assert table.values(AP) == {"us": "us", "eu": "eu"}
    assert [one.paused for one in (table.pair(US, EU), table.pair(EU, US), table.pair(US, AP))] == [True, True, False]


def test_what_waited_arrives_after_a_partition() -> None:
    """Nothing is lost, and the later write wins as ever."""
    table = Table()
    table.replication.pause(US, EU)
    table.put(US, "1", "earlier")
    table.put(US, "2", "us")
    table.now += 3600
    table.put(EU, "1", "later")
    table.settle()
    table.replication.resume(EU, US)
    table.settle()
    assert table.values(US) == table.values(EU) == {"1": "later", "2": "us"}


def test_an_isolated_region_neither_sends_nor_receives() -> None:
    """The others go on; when it is back it gets what it missed and gives what it had."""
    table = Table(US, EU, AP)
    table.replication.pause_region(EU)
    table.put(US, "us", "us")
    table.put(EU, "eu", "eu")
    table.settle()
    assert table.values(EU) == {"eu": "eu"}
    assert table.values(US) == table.values(AP) == {"us": "us"}
    table.replication.resume_region(EU)
    table.settle()
    assert table.values(US) == table.values(EU) == table.values(AP) == {"us": "us", "eu": "eu"}


def test_a_paused_pair_stays_paused_when_its_region_is_back() -> None:
    """Two faults that overlap end by themselves."""
    table = Table()
    table.replication.pause(US, EU)
    table.replication.pause_region(EU)
    table.put(US, "1", "us")
    table.replication.resume_region(EU)
    table.settle()
    assert table.values(EU) == {}
    table.replication.resume(US, EU)
    table.settle()
    assert table.values(EU) == {"1": "us"}


def test_replication_latency_is_the_time_from_write_to_arrival() -> None:
    """In milliseconds, for each direction; the longest is kept."""
    table = Table(lag=3.0)
    assert table.pair(US, EU).latency is None
    table.put(US, "1", "us")
    table.now += 4
    table.settle()
    assert (table.pair(US, EU).latency, table.pair(EU, US).latency) == (4000, None)
    table.put(US, "2", "us")
    table.now += 3
    table.settle()
    assert (table.pair(US, EU).latency, table.pair(US, EU).longest_latency) == (3000, 4000)


def test_the_status_tells_how_far_a_replica_is_behind() -> None:
    """Also while nothing arrives and there is no latency to measure."""
    table = Table()
    table.replication.pause(US, EU)
    table.put(US, "1", "us")
    table.now += 60
    table.put(US, "2", "us")
    assert (table.pair(US, EU).waiting, table.pair(US, EU).behind) == (2, 60)
    assert (table.pair(EU, US).waiting, table.pair(EU, US).behind) == (0, 0)


def test_an_item_replaced_by_mistake_is_written_again() -> None:
    """To its own replica, once, unless a later write came."""
    table = Table()
    table.put(US, "1", "us")
    table.settle()
    table.replication.restore(US, key("1"))
    assert table.arrives(US) is not None
    assert table.arrives(US) is None
    table.replication.restore(US, key("1"))
    table.now += 1
    table.put(US, "1", "later")
    assert table.arrives(US) is None


@pytest.mark.parametrize(("choice", "winner"), [(TieBreak.HIGHER_REGION, "us"), (TieBreak.LOWER_REGION, "eu")], ids=str)
def test_unknown_who_wins_of_two_writes_of_a_moment(choice: TieBreak, winner: str) -> None:
    """One of them, the same one everywhere."""
    for regions in ((US, EU), (EU, US)):
        table = Table(*regions, unknowns=Unknowns(tie_break=choice))
        table.put(regions[0], "1", regions[0][:2])
        table.put(regions[1], "1", regions[1][:2])
        table.settle()
        assert table.values(US) == table.values(EU) == {"1": winner}


@pytest.mark.parametrize(
    ("choice", "shown"), [(Backlog.EVERY_CHANGE, ["a", "b", "other", "c"]), (Backlog.NEWEST_ONLY, ["other", "c"])]
)
def test_unknown_whether_every_change_of_a_backlog_is_shown(choice: Backlog, shown: list[str]) -> None:
    """Of an item that changed several times meanwhile; it ends alike."""
    table = Table(unknowns=Unknowns(backlog=choice))
    table.replication.pause(US, EU)
    for name, value in (("1", "a"), ("1", "b"), ("2", "other"), ("1", "c")):
        table.put(US, name, value)
        table.now += 1
    table.replication.resume(US, EU)
    table.settle()
    assert table.shown[EU] == shown
    assert table.values(EU) == {"1": "c", "2": "other"}


def test_only_what_is_due_is_combined() -> None:
    """A change is not held back for one that is still on its way."""
    table = Table(lag=5.0, unknowns=Unknowns(backlog=Backlog.NEWEST_ONLY))
    table.put(US, "1", "a")
    table.now += 4
    table.put(US, "1", "b")
    table.now += 2
    table.settle()
    assert table.shown[EU] == ["a"]


@pytest.mark.parametrize(("choice", "winner"), [(UnchangedWrite.IS_NO_CHANGE, "eu"), (UnchangedWrite.IS_NEWER, "us")])
def test_unknown_whether_a_write_that_changes_nothing_is_the_last_one(choice: UnchangedWrite, winner: str) -> None:
    """It makes no record in any stream, but it was a write."""
    table = Table(lag=60.0, unknowns=Unknowns(unchanged_write=choice))
    table.put(US, "1", "us")
    table.now += 1
    table.put(EU, "1", "eu")
    table.now += 1
    assert table.put(US, "1", "us") is (winner == "us")
    table.now += 100
    table.settle()
    assert table.values(US) == table.values(EU) == {"1": winner}


def test_deleting_what_never_was_is_no_change() -> None:
    """There is nothing to tell the others."""
    table = Table(unknowns=Unknowns(unchanged_write=UnchangedWrite.IS_NEWER))
    assert not table.delete(US, "1")
    assert table.pair(US, EU).waiting == 0
