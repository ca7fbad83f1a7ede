"""Effects outside under everything at once.

Copies, reorderings, workers that overlap at every step and end anywhere, clocks that differ, a store that throttles, and
answers that get lost.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.outcomes import Delivery, Done, Outcome
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Action
from tests.unit.runtime.claim_world import TIMEOUT_SECONDS, VISIBILITY_SECONDS, World, delivery
from tests.unit.runtime.turns import Actor

_MOST_ROUNDS = 20
_HELD_SECONDS = 5.0


@dataclass
class Message:
    """A message in the queue."""

    id: str
    position: str
    visible: float = 0.0
    received: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return bool(self.outcomes) and isinstance(self.outcomes[-1], Done)


class Chaos:
    """A queue, its workers, and all that may go wrong.

    Args:
        seed: Of everything that happens by chance.
        reconciles: Whether the provider can be asked.
        receiver_key: Whether the receiver knows copies, so that calls are recorded together at the end.
        trouble: Share of requests to the store that fail in some way.
        deadly: Share of steps before which a worker ends.
    """

    def __init__(self, seed: int, *, reconciles: bool, receiver_key: bool, trouble: float, deadly: float) -> None:
        self.chance = random.Random(seed)
        self.world = World()
        self.trouble = trouble
        self.deadly = deadly
        self.calls: list[str] = []
        self.in_flight: Counter[str] = Counter()
        self.overlaps: list[str] = []
        self.allowed: Counter[str] = Counter()
        self.effect = Outside(reconcile=self._find if reconciles else None, receiver_key=receiver_key)
        self.messages = [
            Message(id=f"m-{number}", position=f"p-{number}-{copy}")
            for number in range(3)
            for copy in range(self.chance.randint(1, 3))
        ]
        self.actors: list[tuple[Actor, float]] = []

    def run(self) -> None:
        """Have workers overlap for a while, then let the rest be done in peace."""
        for _ in range(150):
            self._start_one()
            self._step_one()
        while self.actors:
            self._step_one()
        self.trouble = self.deadly = 0.0
        for _ in range(_MOST_ROUNDS):
            if all(message.done for message in self.messages):
                return
            self.world.time.pass_by(VISIBILITY_SECONDS)
            self._start_one(everything=True)
            while self.actors:
                self._step_one(seconds=0.0)
        raise AssertionError("messages are left")

    def _start_one(self, *, everything: bool = False) -> None:
        now = self.world.time.seconds
        ready = [each for each in self.messages if not each.done and each.visible <= now]
        if not ready or (not everything and len(self.actors) >= 3):
            return
        # No two of one id: the consumer settles copies in one batch together.
        batch = {each.id: each for each in self.chance.sample(ready, self.chance.randint(1, len(ready)))}
        for each in batch.values():
            each.received += 1
            each.visible = now + VISIBILITY_SECONDS
        self.actors.append((Actor(lambda actor: self._invoke(actor, list(batch.values()))), now + TIMEOUT_SECONDS))

    def _step_one(self, seconds: float | None = None) -> None:
        if self.actors:
            actor, end = self.chance.choice(self.actors)
            if self.world.time.seconds >= end or self.chance.random() < self.deadly:
                actor.kill()
            else:
                actor.step()
        self.world.time.pass_by(self.chance.choice((0.0, 0.01, 2.0)) if seconds is None else seconds)
        self.actors = [(actor, end) for actor, end in self.actors if actor.alive]

    def _invoke(self, actor: Actor, batch: list[Message]) -> None:
        worker = self.world.worker(effect=self.effect, ahead=self.chance.uniform(-2.5, 2.5))
        worker.faults.crash = actor.pause
        worker.faults.refuse = self._refuse
        worker.faults.unreachable = lambda _: self.chance.choice(("lost", "late", "refused")) if self._fails() else None
        messages: list[Delivery] = [
            delivery(each.id, position=each.position, deliveries=each.received) for each in batch
        ]
        called: list[str] = []

        def handler(record: Record) -> object:
            called.append(record.id)
            if self.in_flight[record.id]:
                self.overlaps.append(record.id)
            self.in_flight[record.id] += 1
            try:
                actor.pause()
                self.calls.append(record.id)
                actor.pause()
            finally:
                self.in_flight[record.id] -= 1
            return {"call": len(self.calls)}

        try:
            outcomes = worker.settle(messages, handler)
        finally:
            if actor.killed:
                # The calls of this worker that were not recorded.
                self.allowed.update(called if self.effect.receiver_key else called[-1:])
            for line in worker.watch.lines:
                if "not recorded" in line.message:
                    self.allowed[str(line.fields["record_id"])] += 1
        for message, outcome in zip(batch, outcomes, strict=True):
            message.outcomes.append(outcome)
            message.visible = self.world.time.seconds + _HELD_SECONDS

    def _refuse(self, _: Action) -> str | None:
        return self.chance.choice(("ThrottlingError", "TransactionConflict")) if self._fails() else None

    def _fails(self) -> bool:
        return self.chance.random() < self.trouble

    def _find(self, record: Record) -> object:
        return {"found": record.id} if record.id in self.calls else None


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-04")
@pytest.mark.requirement("IDM-05")
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=2**32),
    reconciles=st.booleans(),
    receiver_key=st.booleans(),
    trouble=st.sampled_from([0.0, 0.05, 0.3]),
    deadly=st.sampled_from([0.0, 0.01, 0.1]),
)
def test_whatever_happens(
    *,
    seed: int,
    reconciles: bool,
    receiver_key: bool,
    trouble: float,
    deadly: float,
) -> None:
    """Nothing is lost, no two workers call with one message at once, and a call is repeated only after a crash in flight
    or an answer that could not be recorded; never where the provider can be asked.
    """
    chaos = Chaos(seed, reconciles=reconciles, receiver_key=receiver_key, trouble=trouble, deadly=deadly)
    chaos.run()
    calls = Counter(chaos.calls)
    assert calls.keys() == {message.id for message in chaos.messages}
    assert chaos.overlaps == []
    for record_id, number in calls.items():
        assert number - 1 <= (0 if reconciles else chaos.allowed[record_id])
        results = {
            str(message.outcomes[-1].result)
            for message in chaos.messages
            if message.id == record_id and isinstance(message.outcomes[-1], Done)
        }
        assert len(results) <= number + chaos.allowed[record_id]
