"""One invocation for one batch: plan, breaker, journal and deadline put together.

The work is a generator, so that the same code runs over threads in Lambda and in virtual time in a test: it yields a
`Turn` of tasks to begin and the time until which it is content to wait, and is sent the tasks that have ended since.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from constructs_lib.runtime.attempts import DependencyAway, Done, Result, Unknown, outcome
from constructs_lib.runtime.batch_journal import BatchJournal
from constructs_lib.runtime.batch_plan import BatchPlan
from constructs_lib.runtime.batch_tasks import Call, Entry, Park, Rules, Task
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.records import Arrival
from constructs_lib.runtime.stream_ports import Outcome, Probe, Status, StreamPorts, Wait

_T = TypeVar("_T")

# A batch whose first record is older than this share of the function's time-out is not young: an earlier invocation may
# have begun it. An invocation hands back later than that, so what it leaves in the journal is read.
_SUSPECT_SHARE = 0.5
# Two clocks that judge one record's age may differ by so much.
_MARGIN_SHARE = 0.1
_LONGEST_MARGIN_SECONDS = 1.0
# Lambda gives a batch up as a whole, so what waits is put into quarantine that many time-outs before it would.
_TIMEOUTS_BEFORE_EXPIRY = 2
# How often a long invocation publishes its metrics.
_REPORT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What the work wants.

    Args:
        tasks: To begin now.
        until: To be told what has ended as soon as something has, or at that time.
    """

    tasks: Sequence[Task]
    until: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that has ended.

    Args:
        task: The task.
        result: What the handler did; None if the task was another.
        error: What went wrong while storing; None if nothing did.
        seconds: How long it took.
        aside: How much of that passed without the handler.
    """

    task: Task
    result: Result | None
    error: Exception | None
    seconds: float
    aside: float = 0.0


Work = Generator[Turn, Sequence[Ended], Arrival | None]


@dataclass(slots=True)
class Memory:
    """What an execution environment remembers between its invocations.

    Args:
        parked: How many tenants had parked records when that was last known; None: it never was.
    """

    parked: int | None = None


class _HandBackError(Exception):
    """Nothing has been begun, and nothing can be."""


class StreamBatch:
    """The work on one batch.

    Args:
        arrivals: Its records, in their order; at least one.
        ports: What the consumer works with.
        memory: What this environment remembers; changed by the work.
        deadline: Of the invocation.
        status: As read at its start; None where it could not be read.
    """

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        *,
        ports: StreamPorts,
        memory: Memory,
        deadline: Deadline,
        status: Status | None,
    ) -> None:
        self._ports = ports
        self._memory = memory
        self._deadline = deadline
        self._status = status
        self._now = ports.clock
        self._entries = [_entry(index, arrival) for index, arrival in enumerate(arrivals)]
        self._journal = BatchJournal(self._entries, store=ports.journal, watch=ports.watch)
        self._suspect_after = _SUSPECT_SHARE * deadline.timeout_seconds
        self._is_young = _age(self._entries[0], self._now()) < self._suspect_after
        self._calls: dict[Call, float] = {}
        self._has_overrun = False
        self._is_alone = False
        self._is_blocked = False
        self._next_report = self._now() + _REPORT_SECONDS

    def work(self) -> Work:
        """Settle the records; return the first one that is not settled."""
        try:
            tenants = yield from self._learn()
        except _HandBackError:
            self._is_blocked = True
            return self._hand_back(self._entries)
        suspects = [entry for entry in self._entries if entry in self._journal.suspects]
        others = [entry for entry in self._entries if entry not in self._journal.suspects]
        # A record that may end the function has to be the only one at work.
        for entries, alone in ((suspects, True), (others, False)):
            plan = BatchPlan(entries, self._rules(concurrency=1 if alone else self._ports.bounds.concurrency), tenants)
            yield from self._carry_out(plan, alone=alone)
            if not plan.settled:
                break
        return (yield from self._close())

    def _learn(self) -> Generator[Turn, Sequence[Ended], dict[str, float]]:
        """Find out what earlier invocations left: what is settled, and whose records are parked."""
        if self._status is None and self._memory.parked is None:
            # To go on would let records overtake those of their key that are parked, if any are. Whoever has known it
            # goes on by that: a state table that is away must not stop what goes well.
            self._status = yield from self._insist("state table", self._ports.status.read)
            self._ports.gate.refresh(self._status, self._now())
        if self._status is not None:
            self._memory.parked = self._status.parked
        if not self._is_young:
            shard = yield from self._insist("journal", self._journal.read)
            self._journal.take_over(shard, crash_attempts=self._rules(concurrency=1).crash_attempts)
        if not self._memory.parked:
            return {}
        tenants = {entry.tenant for entry in self._entries if entry.record}
        parked = yield from self._insist("parking place", lambda: self._ports.parking.waiting(tenants))
        return dict.fromkeys(parked, 0.0)

    def _insist(self, what: str, read: Callable[[], _T]) -> Generator[Turn, Sequence[Ended], _T]:
        """Read what the work cannot begin without, until that succeeds or the time is over."""
        while True:
            try:
                return read()
            except Exception as error:  # noqa: BLE001 - whatever is wrong there, the records have to wait for it
                self._ports.watch.error(f"records wait, for the {what} cannot be read", error=describe(error))
            pause = 1 + self._ports.jitter()
            if not self._deadline.leaves_time(after_seconds=pause):
                raise _HandBackError
            yield Turn((), self._now() + pause)

    def _carry_out(self, plan: BatchPlan, *, alone: bool) -> Generator[Turn, Sequence[Ended], None]:
        """Work until the plan is settled or the time is over."""
        self._is_alone = alone
        while not plan.settled:
            now = self._now()
            if now >= self._next_report:
                self._next_report = now + _REPORT_SECONDS
                self.report()
            plan.release(now)
            last_start = now + self._deadline.seconds_to_last_start
            reserve = now + self._deadline.seconds_to_reserve
            tasks: list[Task] = []
            blocked_until = self._begin_calls(plan, tasks, now, alone=alone) if now < last_start else inf
            while errand := plan.errand():
                tasks.append(errand)
            if not plan.running and now >= last_start:
                return
            if now >= reserve:
                self._tell_overrun(now, alone=alone)
            times = (blocked_until, plan.next_time(), self._next_report, last_start, reserve)
            ended = yield Turn(tasks, min(time for time in (*times, inf) if time > now))
            for each in ended:
                self._take(plan, each)

    def _begin_calls(self, plan: BatchPlan, tasks: list[Task], now: float, *, alone: bool) -> float:
        """Begin the calls that may begin; return when to look again."""
        gate = self._ports.gate
        while entry := plan.candidate():
            is_retry = entry.calls > 0
            if is_retry and not entry.paid and not gate.is_open:
                seconds = gate.retry(now)
                if seconds > 0:
                    plan.put_off(entry, now + seconds)
                    continue
                entry.paid = True
            answer = gate.ask(now, first=not is_retry)
            self._is_blocked = isinstance(answer, Wait)
            if isinstance(answer, Wait):
                plan.expire(now)
                return answer.until
            probe = isinstance(answer, Probe)
            if probe:
                entry = plan.rotated()
            if not self._note(entry, alone=alone):
                gate.tell(now, Outcome.UNCLEAR, key=entry.lane, took=0.0, probe=probe)
                entry.held = True
                plan.put_off(entry, now + 1 + self._ports.jitter())
                continue
            call = plan.begin(entry, probe=probe)
            self._calls[call] = now
            tasks.append(call)
        return inf

    def _note(self, entry: Entry, *, alone: bool) -> bool:
        """See to it that the journal knows what begins, if it has to; tell whether that succeeded."""
        if alone:
            # The function may end with this call, and with it what has been counted.
            self._ports.watch.flush()
            return self._journal.note_one(entry)
        return self._is_young or self._journal.note_all()

    def _take(self, plan: BatchPlan, ended: Ended) -> None:
        """Learn what came of a task."""
        now, task, watch = self._now(), ended.task, self._ports.watch
        if isinstance(task, Call):
            assert ended.result is not None
            self._take_call(plan, task, ended.result, ended)
            return
        plan.stored(task, now, succeeded=ended.error is None)
        if ended.error:
            watch.error("records wait, for they cannot be stored", error=describe(ended.error))
        elif isinstance(task, Park):
            watch.count("RecordsParked", len(task.entries))
        else:
            watch.count("RecordsQuarantined")
            if task.kind == "crashed":
                self._journal.crashed(task.entry)

    def _take_call(self, plan: BatchPlan, call: Call, result: Result, ended: Ended) -> None:
        now, entry, gate = self._now(), call.entry, self._ports.gate
        del self._calls[call]
        self._deadline.note(ended.seconds)
        if not self._has_overrun:
            retry_after = result.retry_after if isinstance(result, DependencyAway) else None
            took = ended.seconds - ended.aside
            gate.tell(now, outcome(result), key=entry.lane, took=took, retry_after=retry_after, probe=call.probe)
        if result.called:
            self._ports.suspicion.saw(entry.lane, failed=isinstance(result, Unknown))
        self._journal.came_through()
        was_held, entry.held = entry.held, False
        plan.called(call, result, now, is_open=gate.is_open, is_failing=self._ports.suspicion.blames_handler)
        if isinstance(result, Done):
            self._ports.watch.count("RecordsDone")
        if self._is_alone and not entry.settled:
            self._journal.note_pause()
        if self._has_overrun and self._calls:
            # The function may still end with the others, which is not this record's fault.
            self._note_overrun()
        if isinstance(result, Unknown) and entry.held and not was_held:
            self._ports.watch.count("HandlerFailing")
            self._ports.watch.error("record held, for the handler fails for most keys", error=result.reason)

    def _tell_overrun(self, now: float, *, alone: bool) -> None:
        """Say which calls have run into the reserve: Lambda may end the function in the middle of them.

        To the breaker they are calls without an answer, for nobody may be left to tell it later.
        """
        if self._has_overrun or not self._calls:
            return
        self._has_overrun = True
        self._ports.watch.error("calls run into the end of the invocation", records=len(self._calls))
        for call, begun in self._calls.items():
            lane = call.entry.lane
            self._ports.gate.tell(now, Outcome.UNAVAILABLE, key=lane, took=now - begun, probe=call.probe)
        if not alone:
            self._note_overrun()
        self.report()

    def _note_overrun(self) -> None:
        self._journal.note_overrun(call.entry for call in self._calls)

    def _close(self) -> Work:
        """Leave in the journal what the next invocation has to know."""
        still_open = [entry for entry in self._entries if not entry.settled]
        if not still_open:
            self._journal.close(None)
            return None
        page = self._journal.remnant(still_open)
        if page:
            # Younger than that, the next invocation would not look into the journal.
            margin = min(_LONGEST_MARGIN_SECONDS, _MARGIN_SHARE * self._deadline.timeout_seconds)
            until = still_open[0].arrival.arrived.timestamp() + self._suspect_after + margin
            while (now := self._now()) < until and self._deadline.seconds_to_reserve > 0:
                yield Turn((), min(until, now + self._deadline.seconds_to_reserve))
        self._journal.close(page)
        return self._hand_back(still_open)

    def _hand_back(self, still_open: Sequence[Entry]) -> Arrival:
        why = "they have to wait" if self._has_held(still_open) else "lack of time"
        self._ports.watch.info("records handed back", records=len(still_open), why=why)
        return still_open[0].arrival

    def report(self) -> None:
        """Publish what is known so far, for an invocation may last for minutes; called once more at its end."""
        now, watch = self._now(), self._ports.watch
        still_open = [entry for entry in self._entries if not entry.settled]
        if self._has_held(still_open):
            watch.count("RecordsHeld", len(still_open))
        if self._ports.bounds.retention_seconds is not None:
            oldest = still_open[0] if still_open else self._entries[-1]
            watch.gauge("TimeToDataLoss", self._ports.bounds.retention_seconds - _age(oldest, now), "Seconds")
        self._ports.gate.report(now)
        watch.flush()

    def _has_held(self, still_open: Sequence[Entry]) -> bool:
        return bool(still_open) and (self._is_blocked or any(entry.held for entry in still_open))

    def _rules(self, *, concurrency: int) -> Rules:
        bounds = self._ports.bounds
        return Rules(
            concurrency=concurrency,
            away_attempts=bounds.away_attempts,
            hold_seconds=bounds.hold_seconds - _TIMEOUTS_BEFORE_EXPIRY * self._deadline.timeout_seconds,
            jitter=self._ports.jitter,
        )


def _entry(index: int, arrival: Arrival) -> Entry:
    try:
        return Entry(index=index, arrival=arrival, record=arrival.read())
    except InvalidEnvelopeError as failure:
        return Entry(index=index, arrival=arrival, record=None, unreadable=failure.reason)


def _age(entry: Entry, now: float) -> float:
    return now - entry.arrival.arrived.timestamp()
