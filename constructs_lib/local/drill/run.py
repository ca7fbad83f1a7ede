"""Running a drill: events come at a steady pace, faults come and go, and everything is noted with its time.

Events are sent when they are due, whether or not earlier ones were answered: a slow system does not slow its load down
and so hide how slow it is.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from constructs_lib.local.clock import Clock, SystemClock
from constructs_lib.local.drill.measurement import Evidence, Sent, Window, measure
from constructs_lib.local.drill.plan import DrillPlan
from constructs_lib.local.drill.promises import judge
from constructs_lib.local.drill.report import LogEntry, Report
from constructs_lib.local.drill.subject import Sample, Signal, Subject
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.notation import in_words
from constructs_lib.local.faults.plan import Step, schedule

# Threads are made when they are needed; senders that wait for a lost region must not keep the others waiting.
_AT_ONCE: Final = 256
_LOOK_EVERY: Final = 1.0
_PATIENT_LOOK_EVERY: Final = 0.5
_SPARSE: Final = 4


@dataclass(frozen=True, slots=True)
class _Look:
    at: float


@dataclass(frozen=True, slots=True)
class _Send:
    at: float
    sample: Sample


class Drill:
    """One run of a plan.

    Args:
        plan: What to do.
        subject: The running app.
        run_id: Tells this run's events from those of others.
        clock: Default: the machine's.
        workers: Makes a pool of so many workers. Default: threads.
        progress: Called with a short line for each step. Default: nobody is told.
    """

    def __init__(
        self,
        plan: DrillPlan,
        subject: Subject,
        *,
        run_id: str,
        clock: Clock | None = None,
        workers: Callable[[int], Executor] = ThreadPoolExecutor,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._plan = plan
        self._subject = subject
        self._run_id = run_id
        self._clock = clock or SystemClock()
        self._workers = workers
        self._progress = progress or (lambda _line: None)
        self._begun = 0.0
        self._sent: list[Sent] = []
        self._windows: list[Window] = []
        self._active: dict[Fault, float] = {}
        self._signals: list[Signal] = []
        self._log: list[LogEntry] = []

    def run(self) -> Report:
        """Carry the plan out; whatever happens, no fault is left behind.

        Raises:
            LocalCloudError: The app cannot have one of the faults; nothing has been sent then.
        """
        for planned in self._plan.faults:
            if objection := self._subject.objection(planned.fault):
                raise LocalCloudError(f"{self._plan.name}: {in_words(planned.fault)} cannot happen: {objection}")
        self._begun = self._clock.now()
        self._note("begins")
        try:
            self._follow_agenda()
        finally:
            for fault in list(self._active):
                self._stop(fault)
        self._wait_for_the_rest()
        measurement = measure(self._evidence())
        self._note("ends")
        return Report(
            plan=self._plan,
            measurement=measurement,
            verdicts=judge(self._plan.promises, measurement),
            log=tuple(self._log),
        )

    def _follow_agenda(self) -> None:
        with ExitStack() as pools:
            senders = pools.enter_context(self._workers(_AT_ONCE))
            # One after the other, and beside the load: changing a fault or looking around may take its time.
            operator, observer = (pools.enter_context(self._workers(1)) for _ in range(2))
            waiting = []
            for entry in self._agenda():
                self._clock.wait_until(self._begun + entry.at)
                if isinstance(entry, _Send):
                    waiting.append(senders.submit(self._send, entry.sample))
                elif isinstance(entry, _Look):
                    waiting.append(observer.submit(self._look))
                else:
                    waiting.append(operator.submit(self._change, entry))
                while waiting and waiting[0].done():
                    waiting.pop(0).result()
            for each in waiting:
                each.result()

    def _agenda(self) -> list[Step | _Send | _Look]:
        load = self._plan.load
        dependencies, regions = self._subject.dependencies, self._subject.regions
        agenda: list[Step | _Send | _Look] = [*schedule(self._plan.faults)]
        for number in range(int(load.lasts / load.every)):
            # Dependencies one after the other within the interval, so that they do not queue behind each other.
            for index, dependency in enumerate(dependencies):
                turn, skipped = divmod(number, _SPARSE if dependency in load.sparse else 1)
                if skipped:
                    continue
                sample = Sample(
                    id=f"{self._run_id}-{number:05}-{dependency}",
                    dependency=dependency,
                    region=regions[turn % len(regions)],
                )
                agenda.append(_Send((number + index / len(dependencies)) * load.every, sample))
        agenda += [_Look(number * _LOOK_EVERY) for number in range(int(load.lasts / _LOOK_EVERY) + 1)]
        return sorted(agenda, key=lambda entry: entry.at)

    def _send(self, sample: Sample) -> None:
        at = self._clock.now()
        try:
            accepted = self._subject.send(sample)
        except OSError as error:
            accepted = False
            self._note(f"{sample.id} was not accepted: {error}")
        self._sent.append(Sent(sample=sample, at=at, accepted=accepted))

    def _look(self) -> None:
        fresh = self._subject.signals()
        known = {signal.what for signal in self._signals}
        for signal in fresh:
            if signal.what not in known:
                self._note(f"signal: {signal.what}")
                known.add(signal.what)
        self._signals += fresh

    def _change(self, step: Step) -> None:
        if step.action == "stop":
            self._stop(step.fault)
        else:
            self._active[step.fault] = self._clock.now()
            self._note(f"{in_words(step.fault)} begins")
            self._subject.start(step.fault)

    def _stop(self, fault: Fault) -> None:
        self._subject.stop(fault)
        self._windows.append(Window(fault=in_words(fault), begin=self._active.pop(fault), end=self._clock.now()))
        self._note(f"{in_words(fault)} ends")

    def _wait_for_the_rest(self) -> None:
        """Wait until everything accepted has arrived, as long as anything still arrives."""
        self._note("everything is sent; waiting for what is missing")
        patience = self._plan.load.patience
        seen, since = -1, self._clock.now()
        while missing := self._missing():
            if len(missing) != seen:
                seen, since = len(missing), self._clock.now()
            elif self._clock.now() - since >= patience:
                break
            self._clock.wait_until(self._clock.now() + _PATIENT_LOOK_EVERY)
        self._look()

    def _missing(self) -> list[str]:
        arrived = {arrival.sample_id for arrival in self._subject.arrivals()}
        return [each.sample.id for each in self._sent if each.accepted and each.sample.id not in arrived]

    def _evidence(self) -> Evidence:
        missing = self._missing()
        return Evidence(
            sent=tuple(self._sent),
            recoverable=self._subject.recoverable(missing) if missing else {},
            # Asked for last: what arrived while we looked for it elsewhere has arrived.
            arrivals=self._subject.arrivals(),
            windows=tuple(self._windows),
            signals=tuple(self._signals),
            settle=self._plan.load.settle,
        )

    def _note(self, what: str) -> None:
        at = self._clock.now() - self._begun
        self._log.append(LogEntry(at=round(at, 3), what=what))
        self._progress(f"{self._plan.name} {at:6.1f} s  {what}")
