"""When calls to a dependency stop, when one of them may try again, and when all go on. No clock, no I/O.

Each execution environment judges by its own calls: a window of failure rate, and a run of failures for where little is
called. What it concludes goes for all of them, through a small shared item (`shared_breaker.py`). While the circuit is
open nobody calls, save one probe per interval for whoever wins the token in the store. A probe that is answered closes
the circuit.

An environment that should open the circuit but does not reach the store has a pause of its own: it cannot tell the
others and wins no tokens, so it stops its own calls and tries with one of them per interval.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from constructs_lib.runtime.call_window import CallWindow, SeenCall
from constructs_lib.runtime.poison_watch import PoisonWatch
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.shared_breaker import SharedBreaker
from constructs_lib.runtime.store_time import StoreTime
from constructs_lib.runtime.stream_ports import Go, Outcome, Wait

LOOK_AGAIN_SECONDS = 2.0
"""The age at which what is known of the shared item is too old to act on: a transition is known everywhere within it."""

# So many of the newest calls tell whether a dependency works now.
_MOST_CALLS = 20
# A hiccup is over by then.
_NOBODY_FOR_SECONDS = 2.0

# No record waits longer, so a dependency that asks for more asks for nothing more.
_LONGEST_RETRY_AFTER = 7 * 86_400.0
# Part of the interval over which environments that wait for the same moment spread themselves.
_SPREAD = 0.1
# A call that began in the moment of a transition began after it, whatever rounding says.
_ROUNDING = 0.001


@dataclass(frozen=True, slots=True)
class Due:
    """Calls are stopped and a probe is due: win the token first."""


class Verdict(Enum):
    """What a call means for the circuit."""

    NOTHING = auto()
    """It goes on as it is."""
    FAILING = auto()
    """Too many calls fail: it has to be opened."""
    BACK = auto()
    """The probe was answered: it has to be closed."""


class CircuitBreaker:
    """The circuit as one execution environment sees it.

    Args:
        settings: When to open, and how often to probe.
        jitter: Returns a number from 0 to 1. Default: at random.
    """

    def __init__(self, settings: BreakerSettings, *, jitter: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._jitter = jitter
        self._window = CallWindow(settings.window_seconds, most=max(_MOST_CALLS, 4 * settings.minimum_calls))
        self._poison = PoisonWatch()
        self._answered_at = float("-inf")
        self._learned = float("-inf")
        self._pause_until: float | None = None
        # When the dependency last asked this environment to wait, and until when, by the clock here.
        self._asked_at = float("-inf")
        self._asked_until = float("-inf")
        self.shared = SharedBreaker()

    @property
    def is_open(self) -> bool:
        """Whether calls are stopped."""
        return self.shared.state != "closed" or self._pause_until is not None

    def begin_invocation(self) -> None:
        """Learn that the calls from now on belong to a new invocation."""
        self._poison.begin_invocation()

    def learn(self, shared: SharedBreaker, now: float, store_time: StoreTime) -> None:
        """Take over what the shared item says."""
        # Who restores forgets what was asked for until then, not what is asked for afterwards.
        if shared.restored != self.shared.restored and store_time.at_most(self._asked_at) < shared.since:
            self._asked_until = float("-inf")
        if shared.epoch != self.shared.epoch:
            self._begin_anew(now)
        self.shared = shared

    def pause(self, now: float) -> None:
        """Stop the calls of this environment alone, for an interval."""
        self._pause_until = now + self._settings.probe_seconds

    def may_call(self, now: float, store_time: StoreTime) -> Go | Wait | Due:
        """Say whether a call may be made *now*."""
        look_again = now + LOOK_AGAIN_SECONDS
        if self.shared.state == "isolated":
            return Wait(look_again)
        if self.shared.state == "open":
            due = max(store_time.surely_from(self.shared.probe_at), self.not_before(store_time))
        elif self._pause_until is not None:
            due = self._pause_until
        else:
            return Go()
        if now >= due:
            return Due()
        return Wait(min(due + self._jitter() * _SPREAD * self._settings.probe_seconds, look_again))

    def judge(
        self,
        now: float,
        outcome: Outcome,
        *,
        key: str,
        took: float,
        retry_after: float | None,
        probe: bool,
    ) -> Verdict:
        """Learn what came of a call about *key* that took so many seconds."""
        if retry_after is not None and retry_after > 0 and outcome is Outcome.UNAVAILABLE:
            self._asked_at = now
            self._asked_until = max(self._asked_until, now + min(retry_after, _LONGEST_RETRY_AFTER))
        if now - took < self._learned - _ROUNDING:
            # It began before the last transition, and says nothing about the time after it.
            return Verdict.NOTHING
        if outcome is Outcome.ANSWERED:
            self._answered_at = now
            self._poison.answered(key)
        if outcome is Outcome.UNAVAILABLE:
            self._poison.failed(key)
        slow = self._settings.slow_seconds is not None and took >= self._settings.slow_seconds
        failed = slow or outcome is Outcome.UNAVAILABLE
        if self.is_open:
            return self._judge_while_open(now, answered=not failed and outcome is Outcome.ANSWERED, probe=probe)
        if not failed and outcome is Outcome.UNCLEAR:
            return Verdict.NOTHING
        if self._poison.tells_nothing(key):
            return Verdict.NOTHING
        unanswered = outcome is Outcome.UNAVAILABLE
        self._window.add(SeenCall(begun=now - took, ended=now, key=key, failed=failed, unanswered=unanswered))
        if not failed or not (self._are_too_many(now) or self._is_nobody_there(now)):
            return Verdict.NOTHING
        self._poison.opened({call.key for call in self._window.run(now)})
        return Verdict.FAILING

    def not_before(self, store_time: StoreTime) -> float:
        """From when on, by the clock here, the dependency may be called as far as it said."""
        return max(self._asked_until, store_time.surely_from(self.shared.not_before))

    def untold_retry_after(self, now: float, store_time: StoreTime) -> float | None:
        """The time at the store before which the dependency asked not to be called, if the others must learn it."""
        if self._asked_until <= now:
            return None
        known = max(self.shared.not_before, self.shared.probe_at if self.shared.state == "open" else 0.0)
        asked = store_time.at_most(self._asked_until)
        return asked if asked > known else None

    def failure_rate(self, now: float) -> float | None:
        """The part of this environment's calls in the window that failed; None where there are too few to tell."""
        enough = self._window.calls(now) >= self._settings.minimum_calls
        return self._window.failure_rate(now) if enough else None

    def _are_too_many(self, now: float) -> bool:
        rate = self.failure_rate(now)
        return rate is not None and rate >= self._settings.failure_rate

    def _is_nobody_there(self, now: float) -> bool:
        """Whether no call has been answered for a while: where little is called, the rate tells of that late."""
        run = self._window.run(now)
        if len(run) < self._settings.minimum_calls or self._poison.may_be_poison({call.key for call in run}):
            return False
        return now - max(run[-1].begun, self._answered_at) >= _NOBODY_FOR_SECONDS

    def _judge_while_open(self, now: float, *, answered: bool, probe: bool) -> Verdict:
        if not probe:
            return Verdict.NOTHING
        if self.shared.state == "open":
            return Verdict.BACK if answered else Verdict.NOTHING
        if self._pause_until is not None:
            if answered:
                self._begin_anew(now)
            else:
                self.pause(now)
        return Verdict.NOTHING

    def _begin_anew(self, now: float) -> None:
        self._window.clear()
        self._learned = now
        self._pause_until = None
