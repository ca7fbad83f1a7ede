"""What the engine promises for every kind of write, whatever goes wrong between two of its calls."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.effects import Fold, Insert, Replace, Transact
from constructs_lib.runtime.outcomes import Delivery, Done, Failed, Held, Refused
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Action, Faults, Moment
from tests.unit.runtime.item_world import CrashError, World, delivery, left, put, send

KINDS = ("insert", "fold", "replace", "transact")
Effects = Mapping[str, int]


def write(record: Record) -> Insert | Fold | Replace | Transact:
    """What each kind makes of a record; two messages follow from each."""
    follow = (send(f"q-{record.id}"), put(f"s-{record.id}"))
    match record.body["kind"]:
        case "insert":
            return Insert("orders", {"id": record.id}, {"total": 1}, then=follow)
        case "fold":
            return Fold("accounts", {"id": _account(record)}, lambda state: _added(state, record), then=follow)
        case "replace":
            return Replace("profiles", {"id": "p"}, {"by": record.id}, record.body["number"], then=follow)
    return Transact([_adds("left", -1), _adds(f"right-{record.id}", 1)], then=follow)


def _account(record: Record) -> str:
    return f"a-{record.body['number'] % 2}"


def _added(state: Mapping[str, Any] | None, record: Record) -> dict[str, Any]:
    return {"seen": [*(state or {}).get("seen", []), record.id]}


def _adds(account: str, amount: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": "balances",
            "Key": {"id": account},
            "UpdateExpression": "ADD total :amount",
            "ExpressionAttributeValues": {":amount": amount},
        }
    }


def events(kind: str, number: int) -> list[Delivery]:
    return [delivery(f"{kind}-{index}", kind=kind, number=index) for index in range(number)]


def effects(world: World, kind: str) -> Any:
    """What is left of the events of a kind: must be the same whatever happened on the way."""
    match kind:
        case "insert":
            return sorted(world.items("orders"))
        case "fold":
            return sorted(name for item in world.items("accounts").values() for name in item["seen"])
        case "replace":
            return [item["by"] for item in world.items("profiles").values()]
    return {name: item["total"] for name, item in world.items("balances").items()}


def once(kind: str, number: int) -> Any:
    """What is left when each of so many events had its effect once."""
    ids = [f"{kind}-{index}" for index in range(number)]
    match kind:
        case "insert" | "fold":
            return sorted(ids)
        case "replace":
            return ids[-1:]
    return {"left": -number} | {f"right-{name}": 1 for name in ids}


@dataclass
class Crashes:
    """Ends the process at the n-th of the moments before and after each call, to the store or to a destination."""

    at: int
    passed: int = 0

    def __call__(self, *_: object) -> None:
        if self.passed == self.at:
            # Whatever the process would still have done, it does no more.
            raise CrashError
        self.passed += 1


def _crash_once(world: World, batch: Sequence[Delivery], at: int) -> bool:
    """Settle the batch up to a crash; return whether it came to that."""
    crash = Crashes(at)
    world.destinations.crash = crash
    try:
        world.settle(write, batch, faults=Faults(crash=crash))
    except CrashError:
        return True
    finally:
        world.destinations.crash = lambda after: None
    return False


def _redelivered(batch: Sequence[Delivery]) -> list[Delivery]:
    return [replace(one, arrival=replace(one.arrival, deliveries=one.arrival.deliveries + 1)) for one in batch]


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize(("kind", "number"), [*((kind, 6) for kind in KINDS), ("insert", 60)])
def test_a_crash_before_or_after_any_call_neither_loses_nor_repeats_an_effect(kind: str, number: int) -> None:
    """The batch comes again, as a queue brings it; in the end each event had its effect and its messages went out.

    Sixty inserts are several calls at the same time.
    """
    at = 0
    while True:
        world = World()
        batch = events(kind, number)
        if not _crash_once(world, batch, at):
            break
        outcomes = world.settle(write, _redelivered(batch))
        assert {type(outcome) for outcome in outcomes.values()} == {Done}, f"redelivery refused after crash {at}"
        assert effects(world, kind) == once(kind, number), f"crash {at}"
        assert set(world.sent) == {f"{way}-{one.record.id}" for one in batch for way in "qs"}, f"crash {at}"
        at += 1
    # Before and after: at least one write and the calls for two destinations.
    assert at >= 6


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("kind", KINDS)
def test_no_message_is_lost_when_the_worker_dies_between_the_write_and_the_send(kind: str) -> None:
    """The redelivery finds the effect made. It must still send what follows, or nobody would ever be told."""
    world = World()
    batch = events(kind, 1)
    world.destinations.crash = Crashes(0)
    with pytest.raises(CrashError):
        world.settle(write, batch)
    assert (effects(world, kind), dict(world.sent)) == (once(kind, 1), {})
    world.destinations.crash = lambda after: None
    assert world.settle(write, _redelivered(batch)) == {f"{kind}-0": Done(repeated=True)}
    assert (effects(world, kind), dict(world.sent)) == (once(kind, 1), {f"q-{kind}-0": 1, f"s-{kind}-0": 1})


@pytest.mark.parametrize("then", [send("a"), ["a"], None, iter([send("a")])])
def test_what_follows_must_be_messages_or_nothing_is_written(then: Any) -> None:
    """A mistake of the handler fails its record only."""
    world = World()
    outcomes = world.settle(
        lambda record: Insert("orders", {"id": record.id}, {}, then=then if record.id == "bad" else ()),
        [delivery("bad"), delivery("good")],
    )
    failed = outcomes["bad"]
    assert isinstance(failed, Failed)
    assert "its `then`, is a list or tuple of Send" in failed.reason
    assert (outcomes["good"], [*world.items("orders")]) == (Done(), ["good"])


@pytest.mark.parametrize("table", ["", None, 7, 'a"b'])
@pytest.mark.parametrize("kind", [Insert, Fold, Replace])
def test_a_table_that_cannot_be_one_is_its_records_trouble_only(kind: Any, table: Any) -> None:
    """It is not taken for a store that is away, for which all would wait."""
    values: dict[Any, tuple[Any, ...]] = {Insert: ({},), Fold: (lambda state: {},), Replace: ({}, 1)}
    outcomes = World().settle(
        lambda record: kind(table if record.id == "bad" else "orders", {"id": record.id}, *values[kind]),
        [delivery("good"), delivery("bad"), delivery("other")],
    )
    assert isinstance(outcomes.pop("bad"), Refused)
    assert set(outcomes.values()) == {Done()}


def test_a_stale_version_still_sends_what_follows_from_it() -> None:
    """Its worker may have died before the send, and a newer version been written since."""
    world = World()
    first, second = events("replace", 2)
    world.settle(write, [second])
    assert world.settle(write, [first]) == {"replace-0": Done()}
    assert world.sent["q-replace-0"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_throttled_destination_holds_only_the_records_whose_messages_go_there(kind: str) -> None:
    """They come again and send again; their effect is not repeated."""
    world = World()
    throttled = True
    world.destinations.refuse = lambda to, payload: (
        "ProvisionedThroughputExceededException" if throttled and f'"s-{kind}-1"' in payload else None
    )
    batch = events(kind, 3)
    outcomes = world.settle(write, batch)
    held = outcomes.pop(f"{kind}-1")
    assert isinstance(held, Held)
    assert "a message to the stream slack is not confirmed" in held.reason
    assert (set(outcomes.values()), world.counts["SendsFailed"]) == ({Done()}, 1)
    throttled = False
    assert isinstance(world.settle(write, batch[1:2])[f"{kind}-1"], Done)
    assert (effects(world, kind), world.sent[f"s-{kind}-1"]) == (once(kind, 3), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_from_what_is_not_written(kind: str) -> None:
    world = World()
    outcomes = world.settle(write, events(kind, 3), faults=Faults(unreachable="refused"))
    assert ({type(outcome) for outcome in outcomes.values()}, dict(world.sent)) == ({Held}, {})


@pytest.mark.requirement("IDM-04")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(4))
def test_a_copy_of_the_batch_that_runs_in_between_repeats_nothing(kind: str, at: int) -> None:
    """Another worker settles the same messages at any moment of this one."""
    world = World()
    moments = iter(range(100))

    def meanwhile(moment: Moment) -> None:
        if next(moments) == at:
            world.settle(write, events(kind, 5))

    outcomes = world.settle(write, events(kind, 5), faults=Faults(crash=meanwhile))
    assert {type(outcome) for outcome in outcomes.values()} == {Done}
    assert effects(world, kind) == once(kind, 5)


@pytest.mark.requirement("IDM-04")
@pytest.mark.parametrize("kind", KINDS)
def test_workers_at_the_same_time_repeat_nothing(kind: str) -> None:
    """Four threads settle the same forty messages, each until all are done."""
    world = World()

    def work(turn: int) -> None:
        waiting = events(kind, 40)
        for _ in range(20):
            waiting = left(waiting, world.settle(write, waiting[turn:] + waiting[:turn]))

    workers = [Thread(target=work, args=(turn,)) for turn in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert effects(world, kind) == once(kind, 40)


@dataclass(frozen=True)
class Turn:
    """One invocation of a story.

    Args:
        batch: Numbers of the events in it.
        crash: At which moment it ends, if it comes so far.
        throttled: Which part of the calls' items the store refuses.
        meanwhile: A batch that another worker settles in between.
        skew: How far its clock is ahead of the others', in seconds.
    """

    batch: list[int]
    crash: int
    throttled: int
    meanwhile: list[int]
    skew: float


_BATCHES = st.lists(st.integers(0, 7), unique=True, max_size=6)
_TURNS = st.builds(
    Turn,
    batch=_BATCHES,
    crash=st.integers(0, 12),
    throttled=st.integers(0, 4),
    meanwhile=_BATCHES,
    skew=st.sampled_from([0.0, -60.0, 60.0, 900.0]),
)


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-08")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(story=st.lists(_TURNS, max_size=5))
def test_whatever_happens_each_event_has_its_effect_once(kind: str, story: list[Turn]) -> None:
    """Copies, other orders, workers at once, crashes, throttling and clocks that differ; then all is delivered calmly."""
    world = World()
    all_events = events(kind, 8)
    for turn in story:
        _play(world, all_events, turn)
    waiting = all_events
    for _ in range(5):
        waiting = left(waiting, world.settle(write, waiting))
    assert waiting == []
    assert effects(world, kind) == once(kind, 8)
    assert set(world.sent) == {f"{way}-{one.record.id}" for one in all_events for way in "qs"}


def _play(world: World, all_events: Sequence[Delivery], turn: Turn) -> None:
    crash = Crashes(turn.crash)
    others = [[all_events[number] for number in turn.meanwhile]] if turn.meanwhile else []
    actions = iter(range(10_000))

    def moment(moment: Moment) -> None:
        if others and moment.after != (turn.throttled > 2):
            world.destinations.crash = lambda after: None
            world.settle(write, others.pop(), skew=-turn.skew)
            world.destinations.crash = crash
        crash()

    def refuse(action: Action) -> str | None:
        return "ThrottlingError" if turn.throttled and next(actions) % 5 < turn.throttled else None

    world.destinations.crash = crash
    with suppress(CrashError):
        world.settle(
            write,
            [all_events[number] for number in turn.batch],
            faults=Faults(crash=moment, refuse=refuse),
            skew=turn.skew,
        )
    world.destinations.crash = lambda after: None
