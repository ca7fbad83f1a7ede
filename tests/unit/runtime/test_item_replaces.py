from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.effects import Replace
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Done, Held, Refused
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Action, Faults, Moment
from tests.unit.runtime.item_world import World, delivery


def _replace(record: Record) -> Replace:
    """The item of version n has the attribute `only-n`, so that what is left of another version shows."""
    version = record.body["version"]
    return Replace("profiles", {"id": record.body.get("profile", "p")}, {f"only-{version}": record.id}, version)


def _state(world: World) -> set[str]:
    return world.items("profiles")["p"].keys() - {"id", "event_digest", "event_version"}


def test_a_newer_version_takes_the_place_of_the_older_one_whole() -> None:
    world = World()
    assert world.settle(_replace, [delivery("m-1", version=1)]) == {"m-1": Done()}
    assert world.settle(_replace, [delivery("m-2", version=2)]) == {"m-2": Done()}
    assert _state(world) == {"only-2"}


@pytest.mark.requirement("IDM-08")
def test_a_stale_version_changes_nothing() -> None:
    world = World()
    world.settle(_replace, [delivery("m-2", version=2)])
    world.database.usage.reset()
    assert world.settle(_replace, [delivery("m-1", version=1)]) == {"m-1": Done()}
    assert (_state(world), world.database.usage.writes) == ({"only-2"}, 0)


@pytest.mark.requirement("IDM-08")
@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations(range(6)),
    again=st.lists(st.integers(0, 5), max_size=6),
    cuts=st.lists(st.integers(1, 12), max_size=4),
    overtaken=st.sets(st.integers(0, 12)),
)
def test_whatever_the_order_the_final_state_is_that_of_the_right_order(
    order: list[int], again: list[int], cuts: list[int], overtaken: set[int]
) -> None:
    """Versions come in any order, again, cut into any batches, and written by another worker in between."""
    world = World()
    events = [delivery(f"m-{version}", version=version) for version in [*order, *again]]
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(events)], strict=True):
        batch = list({event.record.id: event for event in events[start:end]}.values())

        def meanwhile(moment: Moment) -> None:
            if len(world.database.usage.calls) in overtaken and moment.operation.endswith("execute_statement"):
                overtaken.clear()
                world.settle(_replace, events[:3])

        outcomes = world.settle(_replace, batch, faults=Faults(crash=meanwhile))
        assert {type(outcome) for outcome in outcomes.values()} <= {Done}
    assert _state(world) == {"only-5"}


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_copy_changes_nothing(deliveries: int) -> None:
    world = World()
    world.settle(_replace, [delivery("m-1", version=1)])
    world.database.usage.reset()
    outcomes = world.settle(_replace, [delivery("m-1", version=1, deliveries=deliveries)])
    assert (outcomes, world.database.usage.writes) == ({"m-1": Done(repeated=True)}, 0)


@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize("together", [True, False])
def test_the_same_version_with_another_payload_is_refused(together: bool) -> None:
    """In one batch or in two: which of them is right cannot be told, so the first stays."""
    world = World()
    first, second = delivery("m-1", version=1), delivery("m-2", version=1)
    batches = [[first, second]] if together else [[first], [second]]
    [refused] = [
        outcome
        for batch in batches
        for outcome in world.settle(_replace, batch).values()
        if not isinstance(outcome, Done)
    ]
    assert isinstance(refused, Refused)
    assert refused.code == PAYLOAD_MISMATCH
    assert world.items("profiles")["p"]["only-1"] == "m-1"


def test_versions_of_one_batch_are_one_write() -> None:
    world = World()
    outcomes = world.settle(_replace, [delivery(f"m-{version}", version=version) for version in (2, 3, 1)])
    assert (set(outcomes.values()), _state(world)) == ({Done()}, {"only-3"})
    assert (world.database.usage.writes, sum(world.database.usage.calls.values())) == (1, 2)


def test_an_item_that_others_wrote_is_older_than_any_version() -> None:
    world = World()
    world.database.put("profiles", {"id": {"S": "p"}, "old": {"S": "x"}})
    world.settle(_replace, [delivery("m-0", version=0)])
    assert _state(world) == {"only-0"}


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (Replace("profiles", {"id": "p"}, {}, "7"), "the version of an item is an int, got str"),  # type: ignore[arg-type]
        (Replace("profiles", {"id": "p"}, {}, True), "the version of an item is an int, got bool"),
        (Replace("profiles", {"id": "p"}, {"event_version": 1}, 9), "event_version: the runtime keeps its own"),
        (Replace("profiles", {"id": "p"}, {"note": "x" * 410_000}, 9), "cannot be written: ValidationException"),
    ],
)
def test_a_version_that_cannot_be_written_is_refused_alone(write: Any, reason: str) -> None:
    """The others of its item are written, those it would have taken the place of too."""
    world = World()
    outcomes = world.settle(
        lambda record: write if record.id == "bad" else _replace(record),
        [delivery("m-1", version=1), delivery("bad"), delivery("m-2", version=2)],
    )
    refused = outcomes["bad"]
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert (outcomes["m-1"], outcomes["m-2"], _state(world)) == (Done(), Done(), {"only-2"})


def test_an_item_whose_write_is_throttled_holds_what_is_not_stored() -> None:
    world = World()
    world.settle(_replace, [delivery("m-1", version=1)])

    def refuse(action: Action) -> str | None:
        return "ThrottlingError" if action.operation == "execute_statement" else None

    batch = [delivery("m-1", version=1), delivery("m-2", version=2)]
    outcomes = world.settle(_replace, batch, faults=Faults(refuse=refuse))
    assert (outcomes["m-1"], type(outcomes["m-2"])) == (Done(repeated=True), Held)
