from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.effects import Fold, Insert
from constructs_lib.runtime.failures import PermanentFailure
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Done, Failed, Held, Refused
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Action, Faults, Moment
from tests.unit.runtime.item_world import World, delivery

State = Mapping[str, Any] | None


def _adds(record: Record) -> Fold:
    """Appends the record's id to the list of its account."""

    def apply(state: State) -> dict[str, Any]:
        return {**(state or {}), "seen": [*(state or {}).get("seen", []), record.id]}

    return Fold("accounts", {"id": record.body.get("account", "a")}, apply)


def _seen(world: World, account: str = "a") -> list[str]:
    seen: list[str] = world.items("accounts")[account]["seen"]
    return seen


def test_records_of_one_key_are_applied_in_the_order_of_their_delivery() -> None:
    world = World()
    outcomes = world.settle(_adds, [delivery(name) for name in ("m-3", "m-1", "m-2")])
    assert set(outcomes.values()) == {Done()}
    assert _seen(world) == ["m-3", "m-1", "m-2"]
    world.settle(_adds, [delivery("m-4")])
    assert _seen(world) == ["m-3", "m-1", "m-2", "m-4"]


def test_a_hundred_records_of_ten_keys_are_two_calls_and_ten_units() -> None:
    """One consistent read, one write for each key."""
    world = World()
    outcomes = world.settle(_adds, [delivery(f"m-{index}", account=f"a-{index % 10}") for index in range(100)])
    usage = world.database.usage
    assert set(outcomes.values()) == {Done()}
    assert dict(usage.calls) == {"batch_get_item": 1, "batch_execute_statement": 1}
    assert (usage.writes, usage.reads) == (10, 10)
    assert len(_seen(world, "a-3")) == 10


def test_a_small_state_costs_one_unit_also_when_it_remembers_all_it_can() -> None:
    world = World()

    def counts(record: Record) -> Fold:
        return Fold("accounts", {"id": record.body["account"]}, lambda state: {"n": (state or {}).get("n", 0) + 1})

    for turn in range(12):
        world.database.usage.reset()
        world.settle(counts, [delivery(f"m-{turn}-{index}", account=f"a-{index % 10}") for index in range(100)])
    assert world.items("accounts")["a-0"]["n"] == 120
    assert sum(world.database.usage.calls.values()) == 2
    assert world.database.usage.writes <= 11


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_copy_that_the_item_remembers_changes_nothing(deliveries: int) -> None:
    world = World()
    world.settle(_adds, [delivery("m-1"), delivery("m-2")])
    world.database.usage.reset()
    outcomes = world.settle(_adds, [delivery("m-1", deliveries=deliveries), delivery("m-2", deliveries=deliveries)])
    assert set(outcomes.values()) == {Done(repeated=True)}
    assert (_seen(world), world.database.usage.writes) == (["m-1", "m-2"], 0)
    assert world.database.usage.reads == 1 / deliveries


def test_a_copy_that_the_item_remembers_no_more_counts_again() -> None:
    """The limit of the promise, which the documentation tells."""
    world = World()

    def short(record: Record) -> Fold:
        return Fold("accounts", {"id": "a"}, _adds(record).apply, remembered=2)

    for name in ("m-1", "m-2", "m-3", "m-2", "m-1"):
        world.settle(short, [delivery(name)])
    assert _seen(world) == ["m-1", "m-2", "m-3", "m-1"]


@pytest.mark.requirement("IDM-06")
def test_a_remembered_id_with_another_payload_is_refused() -> None:
    world = World()
    world.settle(_adds, [delivery("m-1")])
    outcomes = world.settle(_adds, [delivery("m-1", account="a", other=1), delivery("m-2")])
    refused = outcomes["m-1"]
    assert isinstance(refused, Refused)
    assert (refused.code, outcomes["m-2"], _seen(world)) == (PAYLOAD_MISMATCH, Done(), ["m-1", "m-2"])


def test_the_function_sees_the_users_attributes_without_key_and_without_the_runtimes() -> None:
    world = World()
    states: list[State] = []

    def handler(record: Record) -> Fold:
        def apply(state: State) -> dict[str, Any]:
            states.append(state)
            return {"total": (state or {}).get("total", 0) + 1}

        return Fold("accounts", {"id": "a"}, apply)

    world.settle(handler, [delivery("m-1"), delivery("m-2")])
    world.settle(handler, [delivery("m-3")])
    assert states == [None, {"total": 1}, {"total": 2}]
    assert world.items("accounts")["a"].keys() == {"id", "total", "event_ids", "event_revision"}


def test_attributes_the_new_state_does_not_have_are_removed() -> None:
    world = World()
    world.settle(lambda record: Fold("accounts", {"id": "a"}, lambda state: {"open": True}), [delivery("m-1")])
    world.settle(lambda record: Fold("accounts", {"id": "a"}, lambda state: {"closed": True}), [delivery("m-2")])
    item = world.items("accounts")["a"]
    assert ("open" in item, item["closed"]) == (False, True)


def test_an_item_that_others_wrote_is_folded_on() -> None:
    world = World()
    world.database.put("accounts", {"id": {"S": "a"}, "seen": {"L": []}, "owner": {"S": "x"}})
    world.settle(_adds, [delivery("m-1")])
    assert (_seen(world), world.items("accounts")["a"]["owner"]) == (["m-1"], "x")


def test_a_record_whose_function_raises_fails_alone() -> None:
    """The state the others see is that without it, even if it was changed in place before the error."""
    world = World()

    def handler(record: Record) -> Fold:
        def apply(state: State) -> dict[str, Any]:
            new: dict[str, Any] = dict(state or {"seen": []})
            new["seen"].append(record.id)
            if record.id == "bad":
                raise KeyError("total")
            if record.id == "never":
                raise PermanentFailure("closed")
            return new

        return Fold("accounts", {"id": "a"}, apply)

    outcomes = world.settle(handler, [delivery(name) for name in ("m-1", "bad", "m-2", "never", "m-3")])
    assert isinstance(outcomes["bad"], Failed)
    assert outcomes["never"] == Refused("closed")
    assert _seen(world) == ["m-1", "m-2", "m-3"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"total": 0.5}, "an item holds no float"),
        ({"event_revision": 7}, "event_revision: the runtime keeps its own values"),
        ({"note": "x" * 410_000}, "cannot be written: ValidationException"),
        (None, "an item: must be a dict"),
    ],
)
def test_a_record_whose_state_cannot_be_written_is_refused_alone(state: Any, reason: str) -> None:
    """Even where the store refuses the state that several records made together."""
    world = World()

    def handler(record: Record) -> Fold:
        good = _adds(record)
        return Fold("accounts", {"id": "a"}, lambda before: state if record.id == "bad" else good.apply(None))

    outcomes = world.settle(handler, [delivery(name) for name in ("m-1", "bad")])
    refused = outcomes["bad"]
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert (outcomes["m-1"], _seen(world)) == (Done(), ["m-1"])


@pytest.mark.parametrize("attribute", ["event_ids", "event_revision"])
def test_what_something_else_wrote_under_the_runtimes_names_is_left_alone(attribute: str) -> None:
    world = World()
    world.database.put("accounts", {"id": {"S": "a"}, attribute: {"S": "mine"}})
    outcomes = world.settle(_adds, [delivery("m-1"), delivery("m-2", account="b")])
    refused = outcomes["m-1"]
    assert isinstance(refused, Refused)
    assert f"{attribute} of the stored item is not what the runtime keeps there" in refused.reason
    assert (outcomes["m-2"], world.items("accounts")["a"][attribute]) == (Done(), "mine")


@pytest.mark.requirement("IDM-04")
def test_of_two_workers_on_one_item_one_writes_and_the_other_looks_again() -> None:
    """The second writes between the first one's read and write; nothing of either is lost or counted twice."""
    world = World()
    waiting = [lambda: world.settle(_adds, [delivery("m-1"), delivery("m-2")])]

    def meanwhile(moment: Moment) -> None:
        if waiting and moment.operation == "execute_statement" and not moment.after:
            waiting.pop()()

    outcomes = world.settle(_adds, [delivery("m-1"), delivery("m-3")], faults=Faults(crash=meanwhile))
    assert outcomes == {"m-1": Done(repeated=True), "m-3": Done()}
    assert _seen(world) == ["m-1", "m-2", "m-3"]


def test_a_worker_that_others_are_always_quicker_than_gives_up_for_now() -> None:
    world = World()
    numbers = iter(range(1_000))

    def meanwhile(moment: Moment) -> None:
        if moment.operation == "execute_statement" and not moment.after:
            world.settle(_adds, [delivery(f"other-{next(numbers)}")])

    outcomes = world.settle(_adds, [delivery("m-1")], faults=Faults(crash=meanwhile))
    assert outcomes == {"m-1": Held("other writers of its item were quicker each time")}
    assert "m-1" not in _seen(world)


@pytest.mark.parametrize("operation", ["batch_get_item", "execute_statement"])
def test_a_key_that_is_throttled_holds_its_records_only(operation: str) -> None:
    world = World()

    def refuse(action: Action) -> str | None:
        asked = action.operation.endswith(operation) and action.key == {"id": {"S": "b"}}
        return "ThrottlingError" if asked else None

    outcomes = world.settle(
        _adds,
        [delivery("m-1"), delivery("m-2", account="b"), delivery("m-3"), delivery("m-4", account="b")],
        faults=Faults(refuse=refuse),
    )
    assert [type(outcome) for outcome in outcomes.values()] == [Done, Held, Done, Held]
    assert world.counts["StoreErrors"] == 2


def test_a_write_whose_answer_is_lost_is_not_made_twice() -> None:
    world = World()
    lost = Faults(unreachable=lambda operation: "lost" if operation == "execute_statement" else None)
    assert isinstance(world.settle(_adds, [delivery("m-1")], faults=lost)["m-1"], Held)
    assert world.settle(_adds, [delivery("m-1", deliveries=2)]) == {"m-1": Done(repeated=True)}
    assert _seen(world) == ["m-1"]


def test_what_the_inexpensive_read_shows_late_is_looked_at_again() -> None:
    """A batch of redelivered records reads cheaply; its write notices that the state was an old one."""
    world = World()
    world.settle(_adds, [delivery("m-1")])
    stale = Faults(stale=lambda action: True)
    outcomes = world.settle(_adds, [delivery("m-1", deliveries=2), delivery("m-2", deliveries=2)], faults=stale)
    assert (outcomes, _seen(world)) == ({"m-1": Done(repeated=True), "m-2": Done()}, ["m-1", "m-2"])


def test_nothing_is_refused_on_the_word_of_a_read_that_may_be_late() -> None:
    """The item it shows may be gone, and with it what it remembered."""
    world = World()
    world.settle(_adds, [delivery("m-1")])
    old = world.database.items("accounts")
    world.database.create("accounts")
    outcomes = world.settle(_adds, [delivery("m-1", other=1, deliveries=2)], faults=world.late("accounts", old))
    assert (outcomes, _seen(world)) == ({"m-1": Done()}, ["m-1"])


def test_kinds_of_writes_share_a_batch() -> None:
    world = World()
    outcomes = world.settle(
        lambda record: _adds(record) if record.id == "fold" else Insert("orders", {"id": record.id}, {}),
        [delivery("fold"), delivery("insert")],
    )
    assert (set(outcomes.values()), _seen(world), [*world.items("orders")]) == ({Done()}, ["fold"], ["insert"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), unique=True, max_size=6), max_size=8))
def test_however_copies_are_spread_over_batches_each_event_is_in_the_state_once(batches: list[list[int]]) -> None:
    world = World()
    for batch in batches:
        world.settle(_adds, [delivery(f"m-{number}") for number in batch])
    seen = _seen(world) if any(batches) else []
    assert sorted(seen) == sorted({f"m-{number}" for batch in batches for number in batch})
