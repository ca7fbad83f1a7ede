"""What a drill needs of the app it drills: ports that the app's own code implements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from constructs_lib.local.faults.model import Fault

Place = Literal["waiting", "held", "quarantined"]
"""Where something is that was not delivered: `waiting` to be tried again, `held` until somebody acts (a dead-letter
queue), or `quarantined`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event of the load.

    Attributes:
        id: Tells it from all others of the run; it must be found again where it arrives.
        dependency: Where it must arrive.
        region: Where it is sent.
    """

    id: str
    dependency: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One effect of a sample at its dependency; two of one sample are a duplicate.

    Attributes:
        sample_id: Of which sample.
        at: When, in seconds since 1970.
    """

    sample_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something that would tell an operator that all is not well.

    Attributes:
        at: When it was there, in seconds since 1970.
        what: In a few words: a red health check, a metric that has an alarm, a held record.
    """

    at: float
    what: str


class Subject(Protocol):
    """A running app that is drilled. Methods are called from several threads.

    Attributes:
        dependencies: What it delivers to.
        regions: Where it takes events.
    """

    @property
    def dependencies(self) -> Sequence[str]:
        """What it delivers to."""

    @property
    def regions(self) -> Sequence[str]:
        """Where it takes events."""

    def objection(self, fault: Fault) -> str | None:
        """Why *fault* cannot happen here, in a sentence; None if it can."""

    def send(self, sample: Sample) -> bool:
        """Send one event; whether the app has accepted it. An `OSError` is as good as a refusal."""

    def arrivals(self) -> Sequence[Arrival]:
        """Everything that has arrived so far."""

    def recoverable(self, sample_ids: Collection[str]) -> Mapping[str, Place]:
        """Which of these samples, none of which has arrived, are found, and where."""

    def start(self, fault: Fault) -> None:
        """Have *fault* happen; return once it does."""

    def stop(self, fault: Fault) -> None:
        """Undo it; return once it is undone."""

    def signals(self) -> Sequence[Signal]:
        """What has been signalled since the last call."""
