"""What is to be done next with the records of a batch: a pure state machine, without clock, threads or stores.

Records of one key form a lane. A lane's records are settled in their order, lanes go on side by side. A record is settled
when it is done, in quarantine or parked. Whoever conducts the batch asks for what may begin (`errand`, `candidate`),
carries it out in any way, and tells what came of it (`called`, `stored`).
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from constructs_lib.runtime.attempts import (
    DependencyAway,
    Done,
    Refused,
    Result,
    TenantAway,
    Unknown,
    Waits,
    is_records_trouble,
)
from constructs_lib.runtime.batch_tasks import Call, Entry, Keep, Park, Rules
from constructs_lib.runtime.quarantine import Kind

_FIRST_PAUSE_SECONDS = 0.4
_LONGEST_PAUSE_SECONDS = 30.0
# Shorter than that, so that a lone record can fill the circuit breaker's window.
_LONGEST_AWAY_PAUSE_SECONDS = 8.0
# How long a tenant is left alone that did not say for how long.
_TENANT_PAUSE_SECONDS = 60.0


@dataclass(slots=True)
class _Lane:
    waiting: deque[Entry]
    verdict: tuple[Kind, str] | None = None
    """Why the head goes to quarantine, once that is decided."""


@dataclass(slots=True)
class BatchPlan:
    """The plan of one batch, or of a part of it.

    Args:
        entries: The records, in their order; settled ones are left out.
        rules: The bounds.
        tenants: Tenants whose records are parked, each with the time before which it is not to be asked for.
    """

    entries: Sequence[Entry]
    rules: Rules
    tenants: dict[str, float] = field(default_factory=dict)
    running: int = 0
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _callable: list[tuple[int, str]] = field(default_factory=list)
    _errands: list[tuple[int, str]] = field(default_factory=list)
    _later: list[tuple[float, int, str]] = field(default_factory=list)
    _answered_at: float = -inf

    def __post_init__(self) -> None:
        for entry in self.entries:
            if not entry.settled:
                self._lanes.setdefault(entry.lane, _Lane(deque())).waiting.append(entry)
        for name in self._lanes:
            self._offer(name)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self._lanes

    def next_time(self) -> float:
        """Return when the next record that pauses may go on."""
        return self._later[0][0] if self._later else inf

    def release(self, now: float) -> None:
        """Let go on what has paused until *now*."""
        while self._later and self._later[0][0] <= now:
            self._offer(heapq.heappop(self._later)[2])

    def errand(self) -> Keep | Park | None:
        """Begin the next thing to store, if there is one and room for it."""
        if not self._errands or self.running >= self.rules.concurrency:
            return None
        name = heapq.heappop(self._errands)[1]
        lane = self._lanes[name]
        head = lane.waiting[0]
        self.running += 1
        if lane.verdict:
            return Keep(head, *lane.verdict)
        return self._park(head.tenant, name)

    def candidate(self) -> Entry | None:
        """Return the record to call the handler with next, if there is one and room for it."""
        while self._callable:
            index, name = self._callable[0]
            if self._lanes[name].waiting[0].tenant not in self.tenants:
                return self._lanes[name].waiting[0] if self.running < self.rules.concurrency else None
            heapq.heappop(self._callable)
            heapq.heappush(self._errands, (index, name))
        return None

    def rotated(self) -> Entry:
        """Return the candidate to try an open circuit with: one that has not been tried yet, by chance.

        Always the same would do harm: it may be the one record that the dependency can not answer.
        """
        heads = (self._lanes[name].waiting[0] for _, name in self._callable)
        able = [head for head in heads if head.tenant not in self.tenants]
        return min(able, key=lambda head: (head.probes, self.rules.jitter()))

    def begin(self, entry: Entry, *, probe: bool = False) -> Call:
        """Begin the call of a candidate."""
        self._take(entry)
        self.running += 1
        entry.calls += 1
        entry.probes += probe
        entry.paid = False
        return Call(entry, probe)

    def put_off(self, entry: Entry, until: float) -> None:
        """Let a candidate wait until then."""
        self._take(entry)
        self._pause(entry, until)

    def condemn(self, entry: Entry, kind: Kind, reason: str) -> None:
        """Decide that a candidate goes to quarantine."""
        self._take(entry)
        self._doom(entry, kind, reason)

    def expire(self, now: float) -> None:
        """Decide that candidates go to quarantine which have waited as long as a record may."""
        while self._callable and self._is_expired(self._lanes[self._callable[0][1]].waiting[0], now):
            entry = self._lanes[self._callable[0][1]].waiting[0]
            self.condemn(entry, "expired", _expired(entry))

    def called(self, call: Call, result: Result, now: float, *, is_open: bool, is_failing: bool) -> None:
        """Learn what came of a call.

        Args:
            call: The call.
            result: What the handler did.
            now: The time.
            is_open: Whether the circuit is open, this result included.
            is_failing: Whether the handler fails for most keys, this result included.
        """
        self.running -= 1
        entry = call.entry
        match result:
            case Done(called):
                if called:
                    self._answered_at = now
                self._settle([entry])
            case Waits(reason, retry_after):
                entry.last_failure = reason
                self._wait(entry, retry_after, now)
            case Refused(reason):
                self._doom(entry, "permanent", reason)
            case TenantAway(reason, retry_after):
                self._answered_at = now
                until = now + (_TENANT_PAUSE_SECONDS if retry_after is None else retry_after)
                self.tenants[entry.tenant] = max(self.tenants.get(entry.tenant, 0.0), until)
                entry.last_failure = reason
                self._offer(entry.lane)
            case DependencyAway(reason, retry_after):
                entry.last_failure = reason
                self._away(entry, retry_after, now, is_open=is_open)
            case Unknown(reason):
                entry.failures += 1
                entry.last_failure = reason
                self._unknown(entry, now, is_failing=is_failing)

    def stored(self, task: Keep | Park, now: float, *, succeeded: bool) -> None:
        """Learn what came of storing something."""
        self.running -= 1
        entries = (task.entry,) if isinstance(task, Keep) else task.entries
        if succeeded:
            self._settle(entries)
            return
        for name in {entry.lane: None for entry in entries}:
            head = self._lanes[name].waiting[0]
            head.held = True
            if isinstance(task, Park) and self._is_expired(head, now):
                self._doom(head, "expired", _expired(head))
            else:
                self._pause(head, now + 1 + self.rules.jitter())

    def _away(self, entry: Entry, retry_after: float | None, now: float, *, is_open: bool) -> None:
        if entry.first_away is None:
            entry.first_away = now
        elif is_records_trouble(now, first_away=entry.first_away, answered_at=self._answered_at):
            entry.aways += 1
        if entry.aways >= self.rules.away_attempts:
            self._doom(entry, "unavailable", entry.last_failure)
        elif is_open:
            entry.held = True
            self._offer(entry.lane)
        else:
            pause = min(self._backoff(entry.calls), _LONGEST_AWAY_PAUSE_SECONDS * self.rules.jitter())
            self._pause(entry, now + max(retry_after or 0.0, pause))

    def _unknown(self, entry: Entry, now: float, *, is_failing: bool) -> None:
        if entry.failures < self.rules.attempts:
            self._pause(entry, now + self._backoff(entry.failures))
        elif not is_failing:
            self._doom(entry, "unknown", entry.last_failure)
        elif self._is_expired(entry, now):
            self._doom(entry, "expired", _expired(entry))
        else:
            entry.held = True
            self._pause(entry, now + self._backoff(entry.failures))

    def _wait(self, entry: Entry, retry_after: float | None, now: float) -> None:
        # Nobody was asked, so the next call is no retry.
        entry.paid = True
        if self._is_expired(entry, now):
            self._doom(entry, "expired", _expired(entry))
        else:
            entry.held = True
            self._pause(entry, now + max(min(retry_after or 0.0, _LONGEST_PAUSE_SECONDS), self._backoff(entry.calls)))

    def _park(self, tenant: str, first_lane: str) -> Park:
        """Take every lane that has come to this tenant, for one call stores them all."""
        lanes = [first_lane]
        left: list[str] = []
        while self._errands:
            _, name = heapq.heappop(self._errands)
            lane = self._lanes[name]
            (left if lane.verdict or lane.waiting[0].tenant != tenant else lanes).append(name)
        for name in left:
            heapq.heappush(self._errands, (self._lanes[name].waiting[0].index, name))
        entries: list[Entry] = []
        for name in lanes:
            for entry in self._lanes[name].waiting:
                if entry.record is None or entry.tenant != tenant:
                    break
                entries.append(entry)
        entries.sort(key=lambda entry: entry.index)
        return Park(tenant, tuple(entries), self.tenants[tenant])

    def _take(self, entry: Entry) -> None:
        """Take a candidate out of those that wait for a call; nearly always it is the first."""
        if self._callable[0][0] == entry.index:
            heapq.heappop(self._callable)
            return
        self._callable.remove((entry.index, entry.lane))
        heapq.heapify(self._callable)

    def _settle(self, entries: Iterable[Entry]) -> None:
        for name in {entry.lane: None for entry in entries}:
            self._lanes[name].verdict = None
        for entry in entries:
            entry.settled = True
            self._lanes[entry.lane].waiting.remove(entry)
        for name in {entry.lane: None for entry in entries}:
            self._offer(name)

    def _offer(self, name: str) -> None:
        """Put a lane that nothing is under way for where its head belongs."""
        lane = self._lanes[name]
        if not lane.waiting:
            del self._lanes[name]
            return
        head = lane.waiting[0]
        if head.record is None:
            lane.verdict = ("unreadable", head.unreadable)
        elif head.crashes >= self.rules.crash_attempts:
            lane.verdict = ("crashed", f"the function ended {head.crashes} times while it was at work on this record")
        wants_store = lane.verdict is not None or head.tenant in self.tenants
        heapq.heappush(self._errands if wants_store else self._callable, (head.index, name))

    def _doom(self, entry: Entry, kind: Kind, reason: str) -> None:
        self._lanes[entry.lane].verdict = (kind, reason)
        heapq.heappush(self._errands, (entry.index, entry.lane))

    def _pause(self, entry: Entry, until: float) -> None:
        heapq.heappush(self._later, (until, entry.index, entry.lane))

    def _is_expired(self, entry: Entry, now: float) -> bool:
        return now - entry.arrival.arrived.timestamp() >= self.rules.hold_seconds

    def _backoff(self, failures: int) -> float:
        longest = _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10)
        return min(longest, _LONGEST_PAUSE_SECONDS) * self.rules.jitter()


def _expired(entry: Entry) -> str:
    return f"it had to wait for longer than a record may; last: {entry.last_failure or 'it could not be tried'}"
