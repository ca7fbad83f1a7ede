"""One lane of a shard: at most one batch at a time, its records in order.

A shard has as many lanes as the mapping's parallelization factor; records of one key always take the same lane. Here
stand batching, retries, bisecting, record age and discarding. Everything is a value; nothing reads a clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil, inf
from typing import NamedTuple

from constructs_lib.local.event_source_mapping.config import PAYLOAD_LIMIT, Config
from constructs_lib.local.event_source_mapping.messages import (
    Condition,
    FunctionFailed,
    NotInvoked,
    Outcome,
    Record,
    Responded,
)
from constructs_lib.local.event_source_mapping.response import Verdict, judge
from constructs_lib.local.event_source_mapping.unknowns import (
    AgeInvokeCount,
    DestinationFailure,
    EmptyWindow,
    FailedFromFirst,
    PartialProgress,
    RetriedBatch,
    SplitWithoutRetries,
    StreamExpiry,
    TooOld,
)

_ENVELOPE = len('{"Records": []}')


class Item(NamedTuple):
    """A record on its way through a lane."""

    record: Record
    ordinal: int
    """Its place among the records read from the shard."""
    previous: str | None
    """Sequence number of the record before it in the shard: the checkpoint while this one is unfinished."""
    matches: bool = True
    """Whether the mapping's filters let it through."""


class Fate(NamedTuple):
    """A batch has been given up for this reason and awaits its discarding."""

    condition: Condition | None
    invoke_count: int
    response: Responded | FunctionFailed | None
    to_destination: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are sent together."""

    items: tuple[Item, ...]
    failures: int = 0
    """Function errors that count against the retries."""
    invocations: int = 0
    response: Responded | FunctionFailed | None = None
    split: bool = False
    fate: Fate | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What waits, what is being worked on, and since when."""

    waiting: tuple[Item, ...] = ()
    first_seen: float = 0.0
    """When the first waiting record came."""
    work: tuple[Batch, ...] = ()
    """The batch at hand, then what was split off it."""
    call: int | None = None
    """The invocation or destination write under way."""
    not_before: float = 0.0
    refusals: int = 0
    """Tries in a row that did not reach the function or the destination."""
    window_opened: float = 0.0

    @property
    def oldest(self) -> Item | None:
        """The first record that is neither done nor given up."""
        if self.work:
            return self.work[0].items[0]
        return self.waiting[0] if self.waiting else None

    @property
    def in_trouble(self) -> bool:
        """Whether the batch at hand failed and has not recovered."""
        if not self.work:
            return False
        batch = self.work[0]
        return bool(self.refusals or batch.failures or batch.split or batch.fate)


class Wait(NamedTuple):
    """Nothing to do before *until*."""

    until: float


class Send(NamedTuple):
    """Invoke the function with the batch at hand."""

    items: tuple[Item, ...]


class GiveUp(NamedTuple):
    """Discard the batch at hand."""

    items: tuple[Item, ...]
    fate: Fate


class LeaveOut(NamedTuple):
    """Records that match no filter."""

    items: tuple[Item, ...]


def receive(lane: Lane, items: tuple[Item, ...], now: float) -> Lane:
    """Take records that were read from the shard."""
    return replace(lane, waiting=lane.waiting + items, first_seen=lane.first_seen if lane.waiting else now)


def proceed(lane: Lane, now: float, config: Config) -> Iterator[tuple[Lane, Wait | Send | GiveUp | LeaveOut]]:
    """What the lane does now, step by step, until it waits for time or for an answer."""
    while lane.call is None:
        if not lane.work:
            ready = _ready_at(lane, config)
            if now < ready:
                yield lane, Wait(ready)
                return
            lane, left_out = _cut(lane, config, now)
            if left_out:
                yield lane, LeaveOut(left_out)
            continue
        if now < lane.not_before:
            yield lane, Wait(lane.not_before)
            return
        lane = _expire(lane, now, config)
        batch = lane.work[0]
        if batch.fate is None:
            lane, left_out = _refill(lane, config, now)
            if left_out:
                yield lane, LeaveOut(left_out)
            yield lane, Send(lane.work[0].items)
            return
        if batch.fate.to_destination:
            yield lane, GiveUp(batch.items, batch.fate)
            return
        lane = _next_batch(lane, now)
        yield lane, GiveUp(batch.items, batch.fate)


def invoked(lane: Lane, outcome: Outcome, now: float, config: Config) -> tuple[Lane, tuple[Item, ...]]:
    """The invocation under way ended. Gives the lane and the records that are done."""
    lane = replace(lane, call=None)
    batch = lane.work[0]
    if isinstance(outcome, NotInvoked):
        return _refused(lane, now, config), ()
    lane = replace(lane, refusals=0)
    batch = replace(batch, invocations=batch.invocations + 1, response=outcome)
    verdict: Verdict | int = Verdict.SUCCEEDED
    if isinstance(outcome, FunctionFailed):
        verdict = Verdict.FAILED
    elif config.partial_responses:
        verdict = judge(outcome.payload, [item.record.sequence for item in batch.items], config.unknowns)
    if verdict is Verdict.SUCCEEDED:
        return _next_batch(lane, now), batch.items
    if isinstance(verdict, Verdict):
        return _failed(lane, batch, now, config, may_split=True), ()
    if verdict == 0:
        may_split = config.unknowns.failed_from_first is FailedFromFirst.SPLITS_IN_HALF
        return _failed(lane, batch, now, config, may_split=may_split), ()
    done, rest = batch.items[:verdict], batch.items[verdict:]
    if config.unknowns.partial_progress is PartialProgress.RESTARTS_ATTEMPTS:
        remainder = Batch(rest, split=True)
        return _retry(lane, remainder, now + config.unknowns.backoff.delay(1)), done
    return _failed(lane, replace(batch, items=rest), now, config, may_split=False), done


def discarded(lane: Lane, *, delivered: bool, now: float, config: Config) -> tuple[Lane, tuple[Item, ...]]:
    """The write to the destination ended. Gives the lane and the records that are done with."""
    lane = replace(lane, call=None)
    if not delivered and config.unknowns.destination_failure is DestinationFailure.RETRIES:
        return _refused(lane, now, config), ()
    return _next_batch(lane, now), lane.work[0].items


def _next_batch(lane: Lane, now: float) -> Lane:
    return replace(lane, work=lane.work[1:], refusals=0, not_before=0.0, window_opened=now)


def _refused(lane: Lane, now: float, config: Config) -> Lane:
    refusals = lane.refusals + 1
    return replace(lane, refusals=refusals, not_before=now + config.unknowns.backoff.delay(refusals))


def _retry(lane: Lane, batch: Batch, at: float) -> Lane:
    return replace(lane, work=(batch, *lane.work[1:]), not_before=at)


def _failed(lane: Lane, batch: Batch, now: float, config: Config, *, may_split: bool) -> Lane:
    """The function failed with *batch*: split it, try it again, or give it up."""
    exhausted = 0 <= config.retries <= batch.failures
    at = now + config.unknowns.backoff.delay(batch.failures + 1)
    splits = config.bisect and may_split and len(batch.items) > 1
    if splits and not (exhausted and config.unknowns.split_without_retries is SplitWithoutRetries.DISCARDS):
        middle = len(batch.items) // 2
        halves = Batch(batch.items[:middle], split=True), Batch(batch.items[middle:], split=True)
        return replace(lane, work=(*halves, *lane.work[1:]), not_before=at)
    if exhausted:
        fate = Fate(Condition.RETRY_ATTEMPTS_EXHAUSTED, batch.invocations, batch.response, config.destination)
        return _retry(lane, replace(batch, fate=fate), now)
    return _retry(lane, replace(batch, failures=batch.failures + 1), at)


def _expire(lane: Lane, now: float, config: Config) -> Lane:
    """Give up what the stream has dropped, then what is older than the mapping's maximum record age."""
    batch = lane.work[0]
    if batch.fate is not None:
        return lane
    unknowns = config.unknowns
    gone = tuple(takewhile(lambda item: now - item.record.arrived > config.retention, batch.items))
    if gone:
        told = unknowns.stream_expiry is StreamExpiry.TOLD
        fate = Fate(
            Condition.RECORD_AGE_EXCEEDED if told else None, batch.invocations, None, config.destination and told
        )
        return _cut_off(lane, gone, fate)
    if config.record_age < 0:
        return lane
    old = tuple(takewhile(lambda item: now - item.record.arrived > config.record_age, batch.items))
    if not old:
        return lane
    count = 1 if unknowns.age_invoke_count is AgeInvokeCount.ONE else batch.invocations
    given_up = batch.items if unknowns.too_old is TooOld.WHOLE_BATCH else old
    return _cut_off(lane, given_up, Fate(Condition.RECORD_AGE_EXCEEDED, count, None, config.destination))


def _cut_off(lane: Lane, items: tuple[Item, ...], fate: Fate) -> Lane:
    batch = lane.work[0]
    rest = batch.items[len(items) :]
    kept = (replace(batch, items=rest),) if rest else ()
    return replace(lane, work=(Batch(items, fate=fate), *kept, *lane.work[1:]))


def _ready_at(lane: Lane, config: Config) -> float:
    """When the waiting records make a batch."""
    if not lane.waiting:
        return inf
    if config.window == 0 or len(lane.waiting) >= config.batch_size or _fitting(lane.waiting) < len(lane.waiting):
        return 0.0
    windows = ceil((lane.first_seen - lane.window_opened) / config.window)
    if windows <= 1:
        return lane.window_opened + config.window
    if config.unknowns.empty_window is EmptyWindow.OPENS_WITH_RECORD:
        return lane.first_seen + config.window
    return lane.window_opened + windows * config.window


def _fitting(items: tuple[Item, ...], used: int = _ENVELOPE) -> int:
    """How many of *items* fit one event; one always goes, even if too large by itself."""
    for count, item in enumerate(items):
        used += item.record.size + 2
        if used > PAYLOAD_LIMIT:
            return max(count, 1)
    return len(items)


def _cut(lane: Lane, config: Config, now: float) -> tuple[Lane, tuple[Item, ...]]:
    """Make a batch of the first waiting records. Gives also those that match no filter."""
    count = _fitting(lane.waiting[: config.batch_size])
    taken, rest = lane.waiting[:count], lane.waiting[count:]
    matching = tuple(item for item in taken if item.matches)
    left_out = tuple(item for item in taken if not item.matches)
    work = (Batch(matching),) if matching else ()
    return replace(lane, waiting=rest, first_seen=now, work=work, not_before=0.0), left_out


def _refill(lane: Lane, config: Config, now: float) -> tuple[Lane, tuple[Item, ...]]:
    """Top up a batch that is tried again, where that is the choice."""
    batch = lane.work[0]
    again = batch.failures or lane.refusals
    if config.unknowns.retried_batch is RetriedBatch.SAME_RECORDS or not again or batch.split or not lane.waiting:
        return lane, ()
    used = _ENVELOPE + sum(item.record.size + 2 for item in batch.items)
    candidates = lane.waiting[: max(0, config.batch_size - len(batch.items))]
    fits = _fitting(candidates, used)
    if not candidates or used + candidates[0].record.size + 2 > PAYLOAD_LIMIT:
        return lane, ()
    taken = candidates[:fits]
    more = tuple(item for item in taken if item.matches)
    left_out = tuple(item for item in taken if not item.matches)
    filled = replace(batch, items=batch.items + more)
    return replace(lane, work=(filled, *lane.work[1:]), waiting=lane.waiting[fits:], first_seen=now), left_out
