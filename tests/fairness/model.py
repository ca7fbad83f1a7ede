"""A standard queue with message groups, and a Lambda mapping that works it off, in virtual time.

Modelled on what AWS documents:

* a group is a noisy neighbour once it has at least 30 messages in flight and more than 10 % of all in flight; then
  messages of other groups are handed out first, and among noisy ones those of the group with the fewest in flight; it
  stays so until none of its messages waits, or it has sent nothing for five minutes. Nothing is limited or dropped
  (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html);
* a mapping runs at most `max_concurrency` invocations, each with up to `batch_size` messages
  (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).

Whether a group that is silent for so long while messages of it still wait can be noticed again is not documented; here it
cannot, which is worse. Not modelled, because it could only shorten a wait: the second measure by which SQS notices a group, its share of recent
processing time, whose window is not documented. How long SQS takes to notice is not documented either, so it is a
parameter. A message is done when its batch is: as late as it can be.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

NOTICED_SHARE = 0.10
NOTICED_MESSAGES = 30
SILENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """What works a queue off.

    Attributes:
        max_concurrency: Most invocations at once.
        batch_size: Most messages of one.
        handler_seconds: Longest time of one, whatever is in it.
        pace: "sum": messages of a batch one after the other; "slowest": side by side.
    """

    max_concurrency: int
    batch_size: int
    handler_seconds: float
    pace: Literal["sum", "slowest"] = "sum"

    def batch_seconds(self, number: int, chance: random.Random) -> float:
        """How long an invocation with *number* messages takes, each of them by chance: at once, longest, or between."""
        shares = [chance.choice((0.02, chance.random(), 1.0)) for _ in range(number)]
        return self.handler_seconds * (max(shares) if self.pace == "slowest" else sum(shares) / self.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How the queue hands out messages.

    Attributes:
        groups: Whether messages bear their tenant as their group.
        notice_seconds: How long a group is above the thresholds before SQS notices.
    """

    groups: bool
    notice_seconds: float = 0.0


@dataclass(slots=True)
class _State:
    waiting: dict[str, deque[float]] = field(default_factory=dict)
    in_flight: Counter[str] = field(default_factory=Counter)
    above_since: dict[str, float] = field(default_factory=dict)
    noisy: set[str] = field(default_factory=set)
    last_sent: dict[str, float] = field(default_factory=dict)


def simulate(
    arrivals: Iterable[tuple[float, str]], queue: Queue, consumer: Consumer, chance: random.Random
) -> dict[str, list[float]]:
    """Let the messages of *arrivals*, moments with tenants in order, arrive and be worked off to the last.

    Returns:
        By tenant how long each of its messages took from its arrival until it was done, in seconds.
    """
    state, delays = _State(), dict[str, list[float]]()
    free = consumer.max_concurrency
    batches: list[tuple[float, int, Sequence[tuple[str, float]]]] = []
    coming = deque(arrivals)
    number = 0
    while coming or batches:
        if coming and (not batches or coming[0][0] <= batches[0][0]):
            now, tenant = coming.popleft()
            state.waiting.setdefault(tenant, deque()).append(now)
            state.last_sent[tenant] = now
        else:
            now, _, batch = heapq.heappop(batches)
            free += 1
            for tenant, arrived in batch:
                state.in_flight[tenant] -= 1
                delays.setdefault(tenant, []).append(now - arrived)
        _notice(state, queue, now)
        while free and any(state.waiting.values()):
            taken = _receive(state, consumer.batch_size)
            free -= 1
            number += 1
            heapq.heappush(batches, (now + consumer.batch_seconds(len(taken), chance), number, taken))
            _notice(state, queue, now)
    return delays


def _receive(state: _State, most: int) -> list[tuple[str, float]]:
    taken: list[tuple[str, float]] = []
    while len(taken) < most:
        waiting = [tenant for tenant, messages in state.waiting.items() if messages]
        if not waiting:
            break
        quiet = [tenant for tenant in waiting if tenant not in state.noisy]
        if quiet:
            tenant = min(quiet, key=lambda each: state.waiting[each][0])
        else:
            tenant = min(waiting, key=lambda each: state.in_flight[each])
        taken.append((tenant, state.waiting[tenant].popleft()))
        state.in_flight[tenant] += 1
    return taken


def _notice(state: _State, queue: Queue, now: float) -> None:
    if not queue.groups:
        return
    total = state.in_flight.total()
    for tenant, messages in state.waiting.items():
        own = state.in_flight[tenant]
        if own >= NOTICED_MESSAGES and own > NOTICED_SHARE * total:
            since = state.above_since.setdefault(tenant, now)
            if now - since >= queue.notice_seconds and messages:
                state.noisy.add(tenant)
        else:
            state.above_since.pop(tenant, None)
        if not messages or now - state.last_sent[tenant] >= SILENCE_SECONDS:
            state.noisy.discard(tenant)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that *percent* of *values* do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def quiet_delays(delays: Mapping[str, Sequence[float]], noisy: str) -> list[float]:
    """The delays of everybody but *noisy*."""
    return [delay for tenant, found in delays.items() if tenant != noisy for delay in found]
