"""What a drill has shown, computed from what was seen. Pure: no clock, no I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from constructs_lib.local.drill.statistics import Comparison, compare, percentile
from constructs_lib.local.drill.subject import Arrival, Place, Sample, Signal

Phase = Literal["before", "during", "after"]
PHASES: Final[tuple[Phase, ...]] = ("before", "during", "after")
"""`before`: undisturbed, also between two faults; `during`; and `after`: a fault's aftermath."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A sample on its way, sent *at* a time in seconds since 1970; *accepted* once the app has said so."""

    sample: Sample
    at: float
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A fault as it happened: from when it was asked for to when it was undone, in seconds since 1970."""

    fault: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything a drill has seen."""

    sent: Sequence[Sent]
    arrivals: Sequence[Arrival]
    recoverable: Mapping[str, Place]
    windows: Sequence[Window]
    signals: Sequence[Signal]
    settle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where the samples for one dependency, or all, have gone.

    Of those accepted, each is delivered, recoverable or lost. A refused one was not accepted: its sender knows.
    """

    sent: int
    accepted: int
    refused: int
    delivered: int
    recoverable: Mapping[Place, int]
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from sending to arrival."""

    number: int
    p50: float
    p90: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one fault went.

    Attributes:
        window: When it happened.
        signal: The first one while it lasted or in its aftermath; None: nobody could have known.
        detected_after: Seconds from its begin to that signal.
        recovered_after: Seconds from its end until everything sent meanwhile is delivered, quarantine aside, and new
            events arrive at every dependency again; None: not within the drill.
        delivered_during: For each dependency, how many of the samples sent in the window's first half arrived before
            its end, and how many were sent.
    """

    window: Window
    signal: Signal | None
    detected_after: float | None
    recovered_after: float | None
    delivered_during: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a drill has shown."""

    total: Books
    books: Mapping[str, Books]
    latencies: Mapping[tuple[str, str, Phase], Latency]
    comparisons: Mapping[str, Comparison]
    courses: Sequence[Course] = field(default_factory=tuple)


def measure(evidence: Evidence) -> Measurement:
    """Compute what *evidence* shows."""
    arrived: dict[str, list[float]] = defaultdict(list)
    for arrival in evidence.arrivals:
        arrived[arrival.sample_id].append(arrival.at)
    dependencies = sorted({each.sample.dependency for each in evidence.sent})
    by_dependency = {name: [each for each in evidence.sent if each.sample.dependency == name] for name in dependencies}
    comparisons = {}
    for name, sent in by_dependency.items():
        waits = _waits(sent, arrived, evidence)
        if found := compare(waits["before"], waits["during"]):
            comparisons[name] = found
    return Measurement(
        total=_books(evidence.sent, arrived, evidence.recoverable),
        books={name: _books(sent, arrived, evidence.recoverable) for name, sent in by_dependency.items()},
        latencies=_latencies(by_dependency, arrived, evidence),
        comparisons=comparisons,
        courses=[_course(window, by_dependency, arrived, evidence) for window in evidence.windows],
    )


def phase(at: float, windows: Iterable[Window], settle: float) -> Phase:
    """The phase of the moment *at*."""
    found: Phase = "before"
    for window in windows:
        if window.begin <= at < window.end:
            return "during"
        if window.end <= at < window.end + settle:
            found = "after"
    return found


def _books(sent: Sequence[Sent], arrived: Mapping[str, list[float]], recoverable: Mapping[str, Place]) -> Books:
    accepted = [each.sample.id for each in sent if each.accepted]
    missing = [sample_id for sample_id in accepted if sample_id not in arrived]
    return Books(
        sent=len(sent),
        accepted=len(accepted),
        refused=len(sent) - len(accepted),
        delivered=len(accepted) - len(missing),
        recoverable=dict(Counter(recoverable[name] for name in missing if name in recoverable)),
        lost=tuple(sample_id for sample_id in missing if sample_id not in recoverable),
        duplicated=tuple(each.sample.id for each in sent if len(arrived.get(each.sample.id, ())) > 1),
    )


def _waits(
    sent: Iterable[Sent], arrived: Mapping[str, list[float]], evidence: Evidence
) -> Mapping[Phase, Sequence[float]]:
    waits: dict[Phase, list[float]] = {name: [] for name in PHASES}
    for each in sorted(sent, key=lambda each: each.at):
        if each.sample.id in arrived:
            waits[phase(each.at, evidence.windows, evidence.settle)].append(min(arrived[each.sample.id]) - each.at)
    return waits


def _latencies(
    by_dependency: Mapping[str, Sequence[Sent]], arrived: Mapping[str, list[float]], evidence: Evidence
) -> dict[tuple[str, str, Phase], Latency]:
    regions = sorted({each.sample.region for each in evidence.sent})
    found = {}
    for dependency, sent in by_dependency.items():
        for region in regions:
            waits = _waits([each for each in sent if each.sample.region == region], arrived, evidence)
            for name, values in waits.items():
                if values:
                    p50, p90, p99 = (percentile(values, share) for share in (0.5, 0.9, 0.99))
                    found[dependency, region, name] = Latency(
                        number=len(values), p50=p50, p90=p90, p99=p99, longest=max(values)
                    )
    return found


def _course(
    window: Window, by_dependency: Mapping[str, Sequence[Sent]], arrived: Mapping[str, list[float]], evidence: Evidence
) -> Course:
    horizon = window.end + evidence.settle
    signals = [signal for signal in evidence.signals if window.begin <= signal.at < horizon]
    first = min(signals, key=lambda signal: signal.at, default=None)
    middle = (window.begin + window.end) / 2
    delivered = {}
    for name, sent in by_dependency.items():
        early = [each for each in sent if each.accepted and window.begin <= each.at < middle]
        in_time = [each for each in early if min(arrived.get(each.sample.id, [window.end])) < window.end]
        delivered[name] = (len(in_time), len(early))
    return Course(
        window=window,
        signal=first,
        detected_after=first.at - window.begin if first else None,
        recovered_after=_recovered(window, by_dependency, arrived, evidence),
        delivered_during=delivered,
    )


def _recovered(
    window: Window, by_dependency: Mapping[str, Sequence[Sent]], arrived: Mapping[str, list[float]], evidence: Evidence
) -> float | None:
    moments = [window.end]
    for sent in by_dependency.values():
        meanwhile = [each.sample.id for each in sent if each.accepted and window.begin <= each.at < window.end]
        left = [name for name in meanwhile if name not in arrived and evidence.recoverable.get(name) != "quarantined"]
        later = [min(arrived[each.sample.id]) for each in sent if each.at >= window.end and each.sample.id in arrived]
        if left or (not later and any(each.at >= window.end for each in sent)):
            return None
        moments += [min(arrived[name]) for name in meanwhile if name in arrived]
        moments += [min(later)] if later else []
    return max(moments) - window.end
