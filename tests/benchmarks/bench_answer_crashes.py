"""A function that is asked directly and ends at every possible moment: a crash before and after every call.

A caller that gets no answer asks the same again, at once and then until there is one, and once more after that. Counted
are callers that never get an answer or get another one the second time, and calls made outside more than once. The
baseline is Powertools' idempotency with the same function.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError

from constructs_lib.runtime import answer_once
from constructs_lib.runtime.answer_errors import InProgressError
from constructs_lib.runtime.answer_work import from_environment
from tests.benchmarks.queue_peers import powertools_answer, powertools_clock
from tests.benchmarks.queue_world import ENVIRONMENT, FUNCTION_SECONDS, Crash, Moments, QueueWorld, Receiver
from tests.benchmarks.result import Figure
from tests.unit.runtime.fakes import FakeContext, RecordingWatch

REQUEST = {"id": "request-1", "amount": 5}
PAUSE_SECONDS = 10.0
MOST_MOMENTS = 100
MOST_TRIES = 20

Function = Callable[[Any, Any], object]
MakeFunction = Callable[[QueueWorld, Receiver], Function]


@dataclass
class Tally:
    """What came of all moments.

    Attributes:
        moments: How many there were.
        unanswered, different, repeated: After how many the caller got no answer, got two, made two calls.
        refused: How often it was told that its request is being worked on.
    """

    moments: int = 0
    unanswered: int = 0
    different: int = 0
    repeated: int = 0
    refused: int = 0


def measure() -> Sequence[Figure]:
    """Try every moment with both."""
    mine, his = every_moment(ours), every_moment(powertools)
    about = f"crashes, of {mine.moments} (baseline {his.moments}),"
    return [
        Figure(
            what=f"{about} without an answer", ours=mine.unanswered, baseline=his.unanswered, target=0, counted=True
        ),
        Figure(what=f"{about} with two answers", ours=mine.different, baseline=his.different, target=0, counted=True),
        Figure(what=f"{about} with a repeated call", ours=mine.repeated, baseline=his.repeated, target=1, counted=True),
        Figure(
            what="refused while the crashed one's time is not over, per crash",
            ours=round(mine.refused / mine.moments, 2),
            baseline=round(his.refused / his.moments, 2),
            counted=True,
        ),
    ]


def every_moment(make: MakeFunction) -> Tally:
    """Crash at each moment in turn, until the caller is content before it comes."""
    tally = Tally()
    for moment in range(MOST_MOMENTS):
        world = QueueWorld(Moments((moment,)))
        receiver = Receiver(world.moments)
        function = make(world, receiver)
        first, second = ask(function, world, tally), ask(function, world, tally)
        if not world.crashes:
            return tally
        assert len(receiver.calls) <= 2
        tally.moments += 1
        tally.unanswered += None in (first, second)
        tally.different += first != second
        tally.repeated += len(receiver.calls) > 1
    raise AssertionError("there is no end to the moments")


def ask(function: Function, world: QueueWorld, tally: Tally) -> object:
    """Ask until there is an answer."""
    for _ in range(MOST_TRIES):
        try:
            return function(REQUEST, FakeContext(world.time, timeout_seconds=FUNCTION_SECONDS))
        except Crash:
            world.crashes += 1
            world.time.pass_by(1.0)
        except (InProgressError, IdempotencyAlreadyInProgressError):
            tally.refused += 1
            world.time.pass_by(PAUSE_SECONDS)
    return None


def ours(world: QueueWorld, receiver: Receiver) -> Function:
    """The function as it is wired, but for its client, clock and log."""

    def ports() -> Any:
        return replace(from_environment(), watch=RecordingWatch(), now=world.now)

    handle = answer_once(working(receiver), key=lambda request: str(request["id"]), load=ports)

    def answer(request: Any, context: Any) -> object:
        with patch.dict(os.environ, ENVIRONMENT), patch("constructs_lib.runtime.clients._session", lambda: world):
            return handle(request, context)

    return answer


def powertools(world: QueueWorld, receiver: Receiver) -> Function:
    """Powertools' decorator of a handler."""
    handle = powertools_answer(working(receiver), world.dynamodb)

    def answer(request: Any, context: Any) -> object:
        with powertools_clock(world.now):
            return handle(request, context)

    return answer


def working(receiver: Receiver) -> Callable[[Any], object]:
    """A function that calls outside; every call has another result."""

    def work(request: Any) -> dict[str, int]:
        receiver.post(request["id"])
        return {"call": len(receiver.calls)}

    return work
