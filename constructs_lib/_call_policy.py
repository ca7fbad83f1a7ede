"""How a dependency is called, and when calls to it stop."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, Token

from constructs_lib._checks import between, duration_between

# Threads in one invocation.
_MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """How a dependency is called, and when calls to it stop.

    Calls stop (the circuit breaker opens) when enough of the recent ones failed: the handler raised
    `DependencyUnavailable`, or took longer than *slow_after*. Records then wait, and one call per *probe_every*, in the
    whole region, finds out whether the dependency is back.

    Args:
        at_once:
            Most calls at once in one invocation, 1 to 100; records of one key are never at work at the same time.
            Default: none of its own, so as many as a batch has keys, at most 100.
        open_at_percent: Share of failed calls at which calls stop, 1 to 100 percent, known at synth. Default: 50.
        minimum_calls: Calls within *window* before any conclusion is drawn, 1 to 1000. So many in a row that nobody answers,
            over at least two seconds, stop calls too. Default: 5.
        window: How far back calls count, 10 seconds to 1 hour, and of those the newest 20, or four times
            *minimum_calls* where that is more. Default: 1 minute.
        slow_after:
            A call that takes longer counts as failed, 100 milliseconds to 15 minutes, and shorter than the consumer's
            timeout. Default: no call is too slow.
        probe_every:
            Pause between two probes while calls are stopped, 1 second to 15 minutes, and shorter than the longest hold.
            Default: 5 seconds.

    Raises:
        ValueError: If an option is out of range, or *open_at_percent* is resolved only later.
    """

    at_once: int | None = None
    open_at_percent: int = 50
    minimum_calls: int = 5
    window: Duration | None = None
    slow_after: Duration | None = None
    probe_every: Duration | None = None

    def __post_init__(self) -> None:
        if self.at_once is not None:
            between(
                "at_once", self.at_once, 1, _MOST_AT_ONCE, way_out="raise parallelization or shards for more at once"
            )
        if Token.is_unresolved(self.open_at_percent):
            raise ValueError(
                "open_at_percent must be known at synth, got a value that CDK resolves later; write it out: an alarm at "
                "half of it warns before calls stop"
            )
        between("open_at_percent", self.open_at_percent, 1, 100, way_out="100 stops calls when all of them failed")
        between("minimum_calls", self.minimum_calls, 1, 1000, way_out="a longer window collects more calls")
        for option, value, low, high, way_out in (
            ("window", self.window, Duration.seconds(10), Duration.hours(1), "older calls say little about now"),
            (
                "slow_after",
                self.slow_after,
                Duration.millis(100),
                Duration.minutes(15),
                "leave it out where slowness does no harm",
            ),
            (
                "probe_every",
                self.probe_every,
                Duration.seconds(1),
                Duration.minutes(15),
                "each probe is one call in the whole region",
            ),
        ):
            if value is not None:
                duration_between(option, value, low, high, way_out=way_out)

    @property
    def warn_at_percent(self) -> float:
        """Share of failed calls, in percent, at which a person should look before calls stop."""
        return self.open_at_percent / 2

    def as_setting(self) -> dict[str, Any]:
        """What the runtime's circuit breaker reads, in its words."""
        given = {"window_seconds": self.window, "slow_seconds": self.slow_after, "probe_seconds": self.probe_every}
        return {
            "failure_rate": self.open_at_percent / 100,
            "minimum_calls": self.minimum_calls,
            **{name: seconds(duration) for name, duration in given.items() if duration is not None},
        }


def seconds(duration: Duration) -> float:
    """*duration* in seconds, and whole ones without a fraction; what is resolved later stays unread."""
    number = duration.to_seconds() if duration.is_unresolved() else duration.to_seconds(integral=False)
    return number if Token.is_unresolved(number) or number % 1 else int(number)
