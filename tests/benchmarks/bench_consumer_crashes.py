"""A queue consumer that ends at every possible moment: 6 messages of 3 keys, a crash before and after every call.

A second after the crash the sender sends everything again, so that copies arrive while claims still stand; the messages
themselves come again after the visibility timeout. Counted when the queue is empty, for each kind of effect. Pairs of
crashes are tried too.

The baseline is Powertools' batch processor with idempotency: an update in DynamoDB for effects there, a call for those
outside. Of its 50 moments 36 are in the first delivery, the others in that of the copies.

What is refused or held is a delivery handed back though the handler did not fail. After a crash a queue delivers again
at its visibility timeout, which the construct sets to six times the function's: the claim has lapsed by then. This is
tried without the sender's copies. A copy that arrives earlier, by the sender, is held while the claim stands. That is
not for good: it comes again until the claim has lapsed. No crash here, nor any pair, made a dead letter of one: that
would count as a loss.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from constructs_lib.runtime import queue_consumer
from constructs_lib.runtime.queue_consumer import QueuePorts
from constructs_lib.runtime.queue_wiring import from_environment
from tests.benchmarks.consumer_effects import ONCE_MORE, TABLE, Case, cases, ids_collected
from tests.benchmarks.queue_peers import powertools, powertools_clock
from tests.benchmarks.queue_world import DEAD_LETTERS, ENVIRONMENT, Moments, QueueWorld, Receiver
from tests.benchmarks.result import Figure
from tests.unit.runtime.events import envelope
from tests.unit.runtime.fakes import RecordingWatch

EVENTS = [envelope(f"event-{number}", key=f"key-{number % 3}", body={"n": number}) for number in range(6)]
COPIES_AFTER_SECONDS = 1.0
MOST_MOMENTS = 500

Count = Callable[[QueueWorld, Receiver], Counter[str]]
Consumer = Callable[[QueueWorld, Receiver], Callable[[Mapping[str, Any], Any], Mapping[str, Any]]]


@dataclass
class Tally:
    """What came of all crashes.

    Attributes:
        crashes: How many moments there were, or pairs of them.
        losing, doubling: Those after which an effect was missing, or there more than once.
        most: Most effects too many after one.
        refused: Deliveries handed back, of all together.
        redelivered: Deliveries of a message after its first one, of all together.
    """

    crashes: int = 0
    losing: int = 0
    doubling: int = 0
    most: int = 0
    refused: int = 0
    redelivered: int = 0

    def add(self, world: QueueWorld, effects: Counter[str]) -> None:
        """Count what one came to."""
        lost = sum(not effects[event.id] for event in EVENTS) + len(world.queues.get(DEAD_LETTERS, ()))
        again = sum(max(0, effects[event.id] - 1) for event in EVENTS)
        self.crashes += 1
        self.losing += lost > 0
        self.doubling += again > 0
        self.most = max(self.most, again)
        self.refused += world.refused
        self.redelivered += world.redelivered


def measure() -> Sequence[Figure]:
    """Try every moment with all."""
    receivers: list[Receiver] = []
    figures = []
    for case in cases(lambda: receivers[-1]):
        mine = ours(case, receivers)
        single, moments = every_moment(mine, case.count)
        double = every_pair(mine, case.count, moments)
        # The same receiver for both: one that tells copies apart does so for the baseline too.
        his, count = (posting, case.count) if case.outside else (updating, ids_collected)
        theirs, _ = every_moment(his, count)
        figures += figures_of(case, single, double, theirs)
        (alone, _), (their_alone, _) = (
            every_moment(mine, case.count, copies=False),
            every_moment(his, count, copies=False),
        )
        figures.append(refusals(case, alone, their_alone))
    return figures


def refusals(case: Case, mine: Tally, theirs: Tally) -> Figure:
    """The line of what the queue delivers again after a crash."""
    assert mine.redelivered, "nothing was delivered again: nothing is shown"
    return Figure(
        what=f"{case.name}: redeliveries at the visibility timeout, of {mine.redelivered}"
        f" (baseline {theirs.redelivered}), that are refused",
        ours=mine.refused,
        baseline=theirs.refused,
        target=0,
        counted=True,
    )


def figures_of(case: Case, single: Tally, double: Tally, theirs: Tally) -> list[Figure]:
    """The lines of one kind of effect."""
    about = f"{case.name}: crashes, of {single.crashes} (baseline {theirs.crashes}),"
    lines = [
        Figure(what=f"{about} that lose", ours=single.losing, baseline=theirs.losing, target=0, counted=True),
        Figure(
            what=f"{about} that double",
            ours=single.doubling,
            baseline=theirs.doubling,
            target=1 if case.repetitions else 0,
            counted=True,
        ),
        Figure(
            what=f"{case.name}: copies a second after the crash that are held for now, per crash",
            ours=round(single.refused / single.crashes, 2),
            baseline=round(theirs.refused / theirs.crashes, 2),
            target=None,
            counted=True,
        ),
        Figure(
            what=f"{case.name}: pairs of crashes, of {double.crashes}, that lose or double more than"
            f" {case.repetitions} for each (baseline: not tried)",
            ours=double.losing + (double.most > 2 * case.repetitions),
            baseline=0,
            target=0,
            counted=True,
        ),
    ]
    if case.repetitions:
        lines.append(
            Figure(
                what=f"{case.name}: most effects too many",
                ours=single.most,
                baseline=theirs.most,
                target=1,
                counted=True,
            )
        )
    return lines


def every_moment(consumer: Consumer, count: Count, *, copies: bool = True) -> tuple[Tally, int]:
    """Crash at each moment in turn, until the queue is empty before it comes; return that number too."""
    tally = Tally()
    for moment in range(MOST_MOMENTS):
        world, effects = run(consumer, count, (moment,), copies=copies)
        if not world.crashes:
            return tally, moment
        tally.add(world, effects)
    raise AssertionError("there is no end to the moments")


def every_pair(consumer: Consumer, count: Count, moments: int) -> Tally:
    """Crash at each moment, and at each of those after it."""
    tally = Tally()
    for first in range(moments):
        for second in range(first + 1, MOST_MOMENTS):
            world, effects = run(consumer, count, (first, second))
            if world.crashes < 2:
                break
            tally.add(world, effects)
    return tally


def run(
    consumer: Consumer, count: Count, crash_at: Sequence[int], *, copies: bool = True
) -> tuple[QueueWorld, Counter[str]]:
    """Have a queue worked off, with what the sender sends again or without; return what is there then."""
    world = QueueWorld(Moments(crash_at))
    receiver = Receiver(world.moments)
    for after in (0.0, COPIES_AFTER_SECONDS) if copies else (0.0,):
        for event in EVENTS:
            world.send(event.to_json(), after=after)
    world.run(consumer(world, receiver))
    return world, count(world, receiver)


def ours(case: Case, receivers: list[Receiver]) -> Consumer:
    """The queue consumer as a function has it, but for its clients, clock and log."""

    def make(world: QueueWorld, receiver: Receiver) -> Any:
        receivers[:] = [receiver]
        load = from_environment(case.effect)

        def ports() -> QueuePorts:
            real = load()
            return replace(real, watch=RecordingWatch(), now=world.now, holds=replace(real.holds, jitter=lambda: 0.5))

        handle = queue_consumer(case.handler(world, receiver), effect=case.effect, load=ports)

        def consume(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
            with patch.dict(os.environ, ENVIRONMENT), patch("constructs_lib.runtime.clients._session", lambda: world):
                return handle(event, context)

        return consume

    return make


def updating(world: QueueWorld, _receiver: Receiver) -> Any:
    """Powertools, with an update in DynamoDB."""

    def effect(envelope: Mapping[str, Any]) -> None:
        values = {":none": {"L": []}, ":one": {"L": [{"S": envelope["id"]}]}}
        key = {"id": {"S": envelope["key"]}}
        world.dynamodb.update_item(
            TableName=TABLE, Key=key, UpdateExpression=ONCE_MORE, ExpressionAttributeValues=values
        )

    return timed(world, powertools(effect, world.dynamodb))


def posting(world: QueueWorld, receiver: Receiver) -> Any:
    """Powertools, with a call outside."""
    return timed(world, powertools(lambda envelope: receiver.post(envelope["id"]), world.dynamodb))


def timed(world: QueueWorld, consumer: Any) -> Any:
    """Powertools in the world's time."""

    def consume(event: Any, context: Any) -> Any:
        with powertools_clock(world.now):
            return consumer(event, context)

    return consume
