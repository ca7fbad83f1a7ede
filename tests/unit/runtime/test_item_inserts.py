from collections.abc import Sequence
from typing import Any

import pytest

from constructs_lib.runtime.effects import Insert
from constructs_lib.runtime.failures import PermanentFailure, TenantUnavailable
from constructs_lib.runtime.outcomes import (
    PAYLOAD_MISMATCH,
    Delivery,
    Done,
    Failed,
    Held,
    NotBegun,
    Refused,
)
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Faults, Moment
from tests.unit.runtime.item_world import World, delivery


def _insert(record: Record) -> Insert:
    return Insert("orders", {"id": record.id}, {"total": record.body.get("total", 1)})


def _many(number: int, **options: Any) -> list[Delivery]:
    return [delivery(f"o-{index:03}", **options) for index in range(number)]


def test_what_the_handler_returns_is_written_with_the_mark_of_its_event() -> None:
    world = World()
    one = delivery("o-1", total=3)
    assert world.settle(_insert, [one]) == {"o-1": Done()}
    assert world.items("orders") == {"o-1": {"id": "o-1", "total": 3, "event_digest": one.digest}}


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_copy_changes_nothing(deliveries: int) -> None:
    """Neither one that comes as if for the first time, nor one that its queue says to have delivered before."""
    world = World()
    world.settle(_insert, [delivery("o-1")])
    world.database.put(
        "orders", {"id": {"S": "o-1"}, "changed": {"BOOL": True}, "event_digest": {"S": delivery("o-1").digest}}
    )
    assert world.settle(_insert, [delivery("o-1", deliveries=deliveries)]) == {"o-1": Done(repeated=True)}
    assert world.items("orders")["o-1"]["changed"] is True


@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_another_event_under_a_known_key_is_refused(deliveries: int) -> None:
    """By its code, which an alarm counts; the item stays that of the first."""
    world = World()
    world.settle(_insert, [delivery("o-1", total=3)])
    outcomes = world.settle(_insert, [delivery("o-1", total=4, deliveries=deliveries), delivery("o-2")])
    match outcomes["o-1"]:
        case Refused(reason, code):
            assert code == PAYLOAD_MISMATCH
            assert "o-1" in reason
        case other:
            pytest.fail(str(other))
    assert outcomes["o-2"] == Done()
    assert world.items("orders")["o-1"]["total"] == 3


def test_two_events_of_a_batch_that_claim_one_key_are_told_apart() -> None:
    """The first of the batch has it. No call names an item twice, which is defined nowhere."""
    world = World()
    calls: list[str] = []

    def look(moment: Moment) -> None:
        if not moment.after:
            calls.append(moment.operation)

    outcomes = world.settle(
        lambda record: Insert("orders", {"id": "o"}, dict(record.body)),
        [delivery("m-1", total=1), delivery("m-2", total=2)],
        faults=Faults(crash=look),
    )
    assert calls.count("execute_statement") == 2
    assert "batch_execute_statement" not in calls
    assert (outcomes["m-1"], type(outcomes["m-2"])) == (Done(), Refused)
    assert world.items("orders")["o"]["total"] == 1


def test_a_hundred_new_items_are_four_calls_and_a_hundred_units() -> None:
    world = World()
    assert set(world.settle(_insert, _many(100)).values()) == {Done()}
    usage = world.database.usage
    assert (dict(usage.calls), usage.writes, usage.reads) == ({"batch_execute_statement": 4}, 100, 0)


def test_a_hundred_redelivered_items_are_one_read_that_costs_a_tenth() -> None:
    """A write that finds the item there would cost what the first one did."""
    world = World()
    world.settle(_insert, _many(100))
    first = world.database.usage.dollars
    world.database.usage.reset()
    assert set(world.settle(_insert, _many(100, deliveries=2)).values()) == {Done(repeated=True)}
    usage = world.database.usage
    assert (dict(usage.calls), usage.writes, usage.reads) == ({"batch_get_item": 1}, 0, 50)
    assert usage.dollars <= 0.1 * first


def test_what_the_inexpensive_read_does_not_see_the_write_finds() -> None:
    """An eventually consistent read may miss the item; the copy is noticed all the same."""
    world = World()
    world.settle(_insert, [delivery("o-1")])
    stale = Faults(stale=lambda action: True)
    assert world.settle(_insert, [delivery("o-1", deliveries=2)], faults=stale) == {"o-1": Done(repeated=True)}


def test_nothing_is_refused_on_the_word_of_a_read_that_may_be_late() -> None:
    """The item it shows may be gone, and its key another event's now."""
    world = World()
    world.settle(_insert, [delivery("o-1", total=3)])
    old = world.database.items("orders")
    world.database.create("orders")
    outcomes = world.settle(_insert, [delivery("o-1", total=4, deliveries=2)], faults=world.late("orders", old))
    assert (outcomes, world.items("orders")["o-1"]["total"]) == ({"o-1": Done()}, 4)


def test_a_read_that_fails_does_not_keep_a_redelivered_item_from_being_written() -> None:
    world = World()
    faults = Faults(refuse=lambda action: "ThrottlingError" if action.operation == "batch_get_item" else None)
    assert world.settle(_insert, [delivery("o-1", deliveries=2)], faults=faults) == {"o-1": Done()}


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "AccessDenied"])
def test_a_statement_that_is_refused_holds_its_message_only(code: str) -> None:
    world = World()
    faults = Faults(refuse=lambda action: code if action.key == {"id": {"S": "o-007"}} else None)
    outcomes = world.settle(_insert, _many(30), faults=faults)
    assert isinstance(outcomes.pop("o-007"), Held)
    assert set(outcomes.values()) == {Done()}
    assert world.counts["StoreErrors"] == 1


def test_a_statement_that_is_throttled_for_a_while_is_written_in_the_same_batch() -> None:
    world = World()
    refusals = ["ThrottlingError"] * 3
    faults = Faults(refuse=lambda action: refusals.pop() if refusals else None)
    assert set(world.settle(_insert, _many(10), faults=faults).values()) == {Done()}
    assert world.counts["StoreErrors"] == 0


@pytest.mark.parametrize("reach", ["refused", "lost", "late"])
def test_messages_are_held_while_the_store_is_away_and_done_when_it_is_back(reach: Any) -> None:
    """Whether a write whose answer was lost was carried out or not, the item is there once in the end."""
    world = World()
    outcomes = world.settle(_insert, _many(3), faults=Faults(unreachable=reach))
    assert {type(outcome) for outcome in outcomes.values()} == {Held}
    assert {type(outcome) for outcome in world.settle(_insert, _many(3, deliveries=2)).values()} == {Done}
    assert len(world.items("orders")) == 3


def _raises(record: Record) -> Insert:
    raise {"permanent": PermanentFailure("no such tenant"), "away": TenantUnavailable("asleep", retry_after=7)}.get(
        record.id, KeyError("total")
    )


def test_what_the_handler_raises_is_the_outcome_of_its_message_only() -> None:
    world = World()
    outcomes = world.settle(
        lambda record: _insert(record) if record.id == "fine" else _raises(record),
        [delivery(name) for name in ("permanent", "away", "broken", "fine")],
    )
    assert outcomes["permanent"] == Refused("no such tenant")
    assert outcomes["away"] == Held("TenantUnavailable: asleep", 7)
    assert isinstance(outcomes["broken"], Failed)
    assert outcomes["fine"] == Done()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"price": 0.5}, "price: an item holds no float; give an int or a Decimal"),
        ({"event_digest": "x"}, "event_digest: the runtime keeps its own values under event_digest, event_ids"),
        ({"it's": 1}, "cannot be the name of an attribute in a PartiQL statement"),
        ({"id": "another"}, "id has one value in the item and another in its key"),
        ({f"a{number}": 1 for number in range(900)}, "put some attributes into a map"),
        ({"note": "x" * 410_000}, "cannot be written: ValidationError"),
        ([1], "an item: must be a dict whose names are text"),
    ],
)
def test_an_item_that_cannot_be_written_is_refused_alone(item: Any, reason: str) -> None:
    """The reason says why, and what would do."""
    world = World()
    outcomes = world.settle(
        lambda record: Insert("orders", {"id": record.id}, item if record.id == "bad" else {}),
        [delivery("good"), delivery("bad"), delivery("other")],
    )
    refused = outcomes["bad"]
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert (outcomes["good"], outcomes["other"]) == (Done(), Done())


@pytest.mark.parametrize("key", [{}, None, {"event_ids": "x"}, {"id": 0.5}, {"id": ""}, {"id": {"a"}}, {"other": "x"}])
def test_a_key_that_cannot_be_one_is_refused_alone(key: Any) -> None:
    """New or delivered before: it spoils neither the reads nor the writes of the others."""
    world = World()
    world.settle(_insert, [delivery("o-2")])
    outcomes = world.settle(
        lambda record: Insert("orders", key if record.id == "o-1" else {"id": record.id}, {}),
        [delivery("o-1", deliveries=2), delivery("o-2", deliveries=2), delivery("o-3", deliveries=2)],
    )
    assert isinstance(outcomes["o-1"], Refused)
    assert (outcomes["o-2"], outcomes["o-3"]) == (Done(repeated=True), Done())


def test_a_handler_that_returns_something_else_fails_by_name() -> None:
    outcomes = World().settle(lambda record: {"total": 1}, [delivery("o-1")])
    failed = outcomes["o-1"]
    assert isinstance(failed, Failed)
    assert "the handler returned dict; with Items it returns Insert, Fold, Replace, Transact or None" in failed.reason


def test_nothing_to_write_is_done_without_a_call() -> None:
    world = World()
    assert world.settle(lambda record: None, [delivery("o-1")]) == {"o-1": Done()}
    assert not world.database.usage.calls


def test_what_there_is_no_time_for_has_not_begun() -> None:
    """Each handler takes as long as the one before; what would run into the deadline is handed back untouched."""
    world = World()

    def slow(record: Record) -> Insert:
        world.time.pass_by(10)
        return _insert(record)

    outcomes = world.settle(slow, _many(4), timeout_seconds=30)
    assert [type(outcome) for outcome in outcomes.values()] == [Done, Done, NotBegun, NotBegun]


def test_the_batch_has_as_many_outcomes_as_messages() -> None:
    deliveries: Sequence[Delivery] = [
        *_many(60),
        *[delivery(f"p-{index}", position=f"p-{index}") for index in range(60)],
    ]
    assert World().settle(_insert, deliveries).keys() == {one.arrival.position for one in deliveries}
