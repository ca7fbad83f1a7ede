"""Effects outside, at every crash point: nothing lost, repetitions within the bound, no redelivery refused.

The function ends before or after any call to the store and any call of the handler, and the messages that were not
acknowledged come again after the visibility time-out, until none is left.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.outcomes import Done, Outcome
from tests.unit.runtime.claim_world import VISIBILITY_SECONDS, Crash, Provider, Worker, World, delivery

MESSAGES = [f"m-{number}" for number in range(5)]
_MOST_DELIVERIES = 5


@dataclass
class Steps:
    """Counts what could be the last thing that happens, and ends the function at some of it."""

    crash_at: frozenset[int] = frozenset()
    taken: int = 0
    crashes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, *_: object) -> None:
        with self._lock:
            self.taken += 1
            if self.taken not in self.crash_at:
                return
            self.crashes += 1
        raise Crash


@dataclass
class Story:
    """What happened until all messages were acknowledged."""

    provider: Provider
    steps: Steps
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def lost(self) -> set[str]:
        return set(MESSAGES) - set(self.provider.calls)

    @property
    def refused(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not isinstance(outcome, Done)]


def story(effect_of: Callable[[Provider], Outside], *crash_at: int) -> Story:
    """Deliver until all is done; the function ends at these steps."""
    world, steps = World(), Steps(frozenset(crash_at))
    told = Story(Provider(step=steps), steps)
    left = list(MESSAGES)
    for number in range(1, _MOST_DELIVERIES + 1):
        worker: Worker = world.worker(effect=effect_of(told.provider))
        worker.faults.crash = steps
        try:
            outcomes = worker.settle([delivery(each, deliveries=number) for each in left], told.provider.call)
        except Crash:
            world.time.pass_by(VISIBILITY_SECONDS)
            continue
        told.outcomes += outcomes
        left = [each for each, outcome in zip(left, outcomes, strict=True) if not isinstance(outcome, Done)]
        if not left:
            return told
        world.time.pass_by(VISIBILITY_SECONDS)
    raise AssertionError(f"still there after {_MOST_DELIVERIES} deliveries: {left}")


def outside(_: Provider) -> Outside:
    return Outside()


def receiver_key(_: Provider) -> Outside:
    return Outside(receiver_key=True)


def side_by_side(_: Provider) -> Outside:
    return Outside(concurrency=3)


def reconciled(provider: Provider) -> Outside:
    return Outside(reconcile=provider.find)


def reconciled_side_by_side(provider: Provider) -> Outside:
    return Outside(reconcile=provider.find, concurrency=3)


# The most repetitions of a call per crash. To a receiver that knows copies they are none: they carry the message's id.
BOUNDS = [(outside, 1), (receiver_key, len(MESSAGES)), (side_by_side, 3), (reconciled, 0), (reconciled_side_by_side, 0)]


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-05")
@pytest.mark.parametrize(("effect_of", "bound"), BOUNDS)
def test_one_crash_anywhere(effect_of: Callable[[Provider], Outside], bound: int) -> None:
    """Each crash point by itself."""
    points = story(effect_of).steps.taken
    assert points >= 10
    for point in range(1, points + 1):
        told = story(effect_of, point)
        assert told.steps.crashes == 1
        assert told.lost == set(), point
        assert told.provider.repetitions <= bound, point
        assert told.refused == [], point


@pytest.mark.requirement("IDM-05")
@pytest.mark.parametrize(("effect_of", "bound"), [BOUNDS[0], BOUNDS[3]])
def test_crash_while_recovering_from_a_crash(effect_of: Callable[[Provider], Outside], bound: int) -> None:
    """Any two crash points."""
    points = story(effect_of).steps.taken
    for first in range(1, points + 1):
        for second in range(first + 1, first + points):
            told = story(effect_of, first, second)
            assert told.lost == set(), (first, second)
            assert told.provider.repetitions <= bound * told.steps.crashes, (first, second)
            assert told.refused == [], (first, second)


def test_a_crash_in_flight_does_repeat_one_call_where_nobody_can_be_asked() -> None:
    """The bound is no better than promised: between a call and its record there is a crash point, for each call."""
    points = story(outside).steps.taken
    repeated = [point for point in range(1, points + 1) if story(outside, point).provider.repetitions]
    assert len(repeated) == 2 * len(MESSAGES)
