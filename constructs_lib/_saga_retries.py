"""How a saga tries again: exponential backoff with full jitter, a longest delay, and an end."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn

_FIRST_DELAY_SECONDS = 2
_LONGEST_DELAY_SECONDS = 60
_BACKOFF_RATE = 2

# Before work of unknown outcome is repeated: a random delay like a first retry's.
LONGEST_PAUSE_SECONDS = _FIRST_DELAY_SECONDS
PAUSE_SECONDS = f"{{% $ceil($random() * {LONGEST_PAUSE_SECONDS}) %}}"


@dataclass(frozen=True, slots=True)
class Retries:
    """At most *attempts* attempts in all, the first included."""

    attempts: int

    def apply(self, state: sfn.TaskStateBase, *, never: Sequence[str] = ()) -> None:
        """Retry *state* on every error but those named in *never*."""
        if never:
            state.add_retry(errors=list(never), max_attempts=0)
        # States.ALL must stand alone and last.
        state.add_retry(
            errors=[sfn.Errors.ALL],
            max_attempts=self.attempts - 1,
            interval=Duration.seconds(_FIRST_DELAY_SECONDS),
            backoff_rate=_BACKOFF_RATE,
            max_delay=Duration.seconds(_LONGEST_DELAY_SECONDS),
            jitter_strategy=sfn.JitterType.FULL,
        )

    def longest_seconds(self, attempt_seconds: float) -> float:
        """Longest time that all attempts of at most *attempt_seconds* and the delays between them take."""
        total, delay = self.attempts * attempt_seconds, _FIRST_DELAY_SECONDS
        for _ in range(self.attempts - 1):
            total += delay
            delay = min(delay * _BACKOFF_RATE, _LONGEST_DELAY_SECONDS)
        return total
