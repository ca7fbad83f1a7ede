"""The circuit breaker and the retry budget as the consumer meets them: rules, shared item and metrics put together.

The state is static when its store is away: an open circuit stays open and a closed one closed. Calls to the store are
then made ever more rarely, so that waiting for them does not slow the work that can go on.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from constructs_lib.runtime.breaker_store import Change
from constructs_lib.runtime.circuit_breaker import LOOK_AGAIN_SECONDS, CircuitBreaker, Due, Verdict
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.retry_budget import RetryBudget
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.shared_breaker import SharedBreaker
from constructs_lib.runtime.store_time import StoreTime
from constructs_lib.runtime.stream_ports import Go, Outcome, Probe, Status, Wait

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch

_T = TypeVar("_T")

# Pauses after failures of the store, doubling from the first to the longest.
_FIRST_STORE_PAUSE = 4.0
_LONGEST_STORE_PAUSE = 60.0
# The wish of the dependency is stored with so much added, so that answers that come together need one write, and
# also where the time at the store is known better now than a moment ago.
_ADDED_TO_RETRY_AFTER = 2.0
_RETRIES_SAVED = 10
# Per second and environment; more would be load worth speaking of where there are hundreds of them.
_MOST_RETRIES_FOR_NOTHING = 1.0


class BreakerStore(Protocol):
    """Port to the status item; every method may raise, and a write that raised may have been done."""

    @property
    def time(self) -> StoreTime:
        """What is known of the time at the store, by its latest answer."""

    def read(self) -> Status:
        """Return the status as it is now."""

    def open(self, *, seen: SharedBreaker, probe_seconds: float, not_before: float) -> Change:
        """Open the circuit; the first probe comes an interval later, and not before *not_before*."""

    def close(self, *, seen: SharedBreaker) -> Change:
        """Close the circuit."""

    def take_token(self, *, seen: SharedBreaker, probe_seconds: float) -> Change:
        """Win the right to one probe of the open circuit, if one is surely due; the next is due an interval later."""

    def postpone(self, *, seen: SharedBreaker, until: float) -> Change:
        """Let nobody probe before *until*, a time at the store."""


class CircuitGate:
    """Says whether the dependency may be called, and whether a call may be made again.

    Args:
        settings: When the circuit opens and how often it is probed.
        store: The shared item.
        watch: Logs and counts.
        jitter: Returns a number from 0 to 1. Default: at random.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        *,
        store: BreakerStore,
        watch: "Watch",
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._probe_seconds = settings.probe_seconds
        self._circuit = CircuitBreaker(settings, jitter=jitter)
        # Where nothing else is called, a lone record must reach the minimum of calls in half of the window.
        self._budget = RetryBudget(
            per_second=min(_MOST_RETRIES_FOR_NOTHING, 2 * settings.minimum_calls / settings.window_seconds),
            most=_RETRIES_SAVED,
        )
        self._store = store
        self._watch = watch
        self._looked = float("-inf")
        self._store_pause = 0.0
        self._store_away_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are stopped, as far as this environment knows."""
        return self._circuit.is_open

    def refresh(self, status: Status | None, now: float) -> None:
        """Learn what the other environments know; None: it cannot be read, so what is known here goes on."""
        self._circuit.begin_invocation()
        if status is None:
            self._store_failed(now)
            return
        self._ask_store(now, lambda: self._take_over(status, now), even_if_away=True)

    def ask(self, now: float, *, first: bool = True) -> Go | Probe | Wait:
        """Say whether a call may be made; not *first*: it is a retry, which `retry` has allowed."""
        self._look(now, if_older_than=LOOK_AGAIN_SECONDS)
        self._tell_retry_after(now)
        allowed = self._circuit.may_call(now, self._store.time)
        answer = self._probe(now) if isinstance(allowed, Due) else allowed
        if first and not isinstance(answer, Wait):
            self._budget.first_call()
        return answer

    def tell(
        self,
        now: float,
        outcome: Outcome,
        *,
        key: str,
        took: float,
        retry_after: float | None = None,
        probe: bool = False,
    ) -> None:
        """Learn what came of a call about *key* that took so many seconds; *probe*: `ask` had answered with `Probe`."""
        verdict = self._circuit.judge(now, outcome, key=key, took=took, retry_after=retry_after, probe=probe)
        if verdict is Verdict.FAILING and not self._open(now):
            self._circuit.pause(now)
            self._watch.warning("calls of this environment pause, for the circuit cannot be opened for all")
        if verdict is Verdict.BACK:
            self._close(now)
        self._tell_retry_after(now)

    def retry(self, now: float) -> float:
        """Return the seconds until the retry budget allows one more retry; 0: now, and it has been paid for."""
        seconds = self._budget.take(now)
        if seconds:
            self._watch.count("RetriesRefused")
        return seconds

    def report(self, now: float) -> None:
        """Put state and failure rate into this invocation's metrics; called once, at its end."""
        self._watch.gauge("BreakerOpen", float(self.is_open), "Count")
        rate = self._circuit.failure_rate(now)
        if rate is not None:
            self._watch.gauge("CallFailureRate", 100 * rate, "Percent")

    def _probe(self, now: float) -> Go | Probe | Wait:
        """Win the token, if one is still due to who looks."""
        self._look(now)
        answer = self._circuit.may_call(now, self._store.time)
        if not isinstance(answer, Due):
            return answer
        if self._circuit.shared.state == "closed":
            return self._probe_alone(now)
        change = self._write(now, lambda seen: self._store.take_token(seen=seen, probe_seconds=self._probe_seconds))
        if change is not None and change.done:
            return Probe()
        answer = self._circuit.may_call(now, self._store.time)
        return Wait(now + LOOK_AGAIN_SECONDS) if isinstance(answer, Due) else answer

    def _probe_alone(self, now: float) -> Go | Probe | Wait:
        """At the end of a pause of this environment's own: stop all, or try where that cannot be said."""
        if not self._open(now):
            self._circuit.pause(now)
            not_before = self._circuit.not_before(self._store.time)
            return Probe() if now >= not_before else Wait(min(not_before, now + LOOK_AGAIN_SECONDS))
        answer = self._circuit.may_call(now, self._store.time)
        return Wait(now + LOOK_AGAIN_SECONDS) if isinstance(answer, Due) else answer

    def _open(self, now: float) -> bool:
        """Open the circuit for all, unless it has changed since this environment judged; False: that cannot be said."""
        epoch = self._circuit.shared.epoch
        self._look(now, if_older_than=LOOK_AGAIN_SECONDS)
        if self._circuit.shared.epoch != epoch:
            return True
        change = self._write(
            now,
            lambda seen: self._store.open(
                seen=seen,
                probe_seconds=self._probe_seconds,
                not_before=self._circuit.untold_retry_after(now, self._store.time) or 0.0,
            ),
        )
        if change is not None and change.done:
            self._watch.count("BreakerOpened")
            self._watch.error("circuit opened: too many calls fail or are slow")
            self._publish(now)
        return change is not None

    def _close(self, now: float) -> None:
        """Close the circuit for all; if that cannot be said, the next probe will."""
        change = self._write(now, lambda seen: self._store.close(seen=seen))
        if change is not None and change.done:
            self._watch.count("BreakerClosed")
            self._watch.info("circuit closed: a probe was answered")
            self._publish(now)

    def _publish(self, now: float) -> None:
        # An invocation that waits for the dependency may last minutes; an alarm must not wait with it.
        self.report(now)
        self._watch.flush()

    def _tell_retry_after(self, now: float) -> None:
        # A second time where the state has changed in between: the wish outlives that.
        for _ in range(2):
            asked = self._circuit.untold_retry_after(now, self._store.time)
            if asked is None:
                return
            self._postpone(now, until=asked + _ADDED_TO_RETRY_AFTER)

    def _postpone(self, now: float, *, until: float) -> None:
        self._write(now, lambda seen: self._store.postpone(seen=seen, until=until))

    def _look(self, now: float, *, if_older_than: float = 0.0) -> None:
        if not 0 <= now - self._looked <= if_older_than:
            self._ask_store(now, lambda: self._take_over(self._store.read(), now))

    def _write(self, now: float, write: Callable[[SharedBreaker], Change]) -> Change | None:
        change = self._ask_store(now, lambda: write(self._circuit.shared))
        if change is not None:
            self._learn(change.breaker, now)
        return change

    def _take_over(self, status: Status, now: float) -> None:
        self._learn(SharedBreaker.of(status.breaker), now)

    def _learn(self, shared: SharedBreaker, now: float) -> None:
        self._looked = now
        self._circuit.learn(shared, now, self._store.time)

    def _ask_store(self, now: float, question: Callable[[], _T], *, even_if_away: bool = False) -> _T | None:
        if now < self._store_away_until and not even_if_away:
            return None
        try:
            answer = question()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the store, the work goes on
            self._watch.warning("the circuit's store does not answer", error=describe(error))
            self._store_failed(now)
            return None
        self._store_pause = 0.0
        self._store_away_until = float("-inf")
        return answer

    def _store_failed(self, now: float) -> None:
        self._store_pause = min(_LONGEST_STORE_PAUSE, max(_FIRST_STORE_PAUSE, 2 * self._store_pause))
        self._store_away_until = now + self._store_pause
