"""A drill's report, for people and for programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from constructs_lib.local.drill.measurement import PHASES, Books, Course, Measurement
from constructs_lib.local.drill.plan import DrillPlan
from constructs_lib.local.drill.promises import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something that happened: *at*, in seconds from the start of the drill, and *what*."""

    at: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a drill has shown, and whether it is what was promised."""

    plan: DrillPlan
    measurement: Measurement
    verdicts: Sequence[Verdict]
    log: Sequence[LogEntry]

    @property
    def held(self) -> bool:
        """Whether every promise held."""
        return all(verdict.held for verdict in self.verdicts)

    def text(self) -> str:
        """The report for people."""
        return "\n".join(_lines(self)) + "\n"

    def to_json(self) -> dict[str, Any]:
        """The report for programs; all times in seconds."""
        shown = self.measurement
        return {
            "drill": self.plan.name,
            "summary": self.plan.summary,
            "held": self.held,
            "promises": [asdict(verdict) for verdict in self.verdicts],
            "total": asdict(shown.total),
            "dependencies": {name: asdict(books) for name, books in shown.books.items()},
            "latency_seconds": [
                {"dependency": dependency, "region": region, "phase": phase, **asdict(latency)}
                for (dependency, region, phase), latency in shown.latencies.items()
            ],
            "comparisons": {name: asdict(found) for name, found in shown.comparisons.items()},
            "faults": [asdict(course) for course in shown.courses],
            "log": [asdict(entry) for entry in self.log],
        }


def _lines(report: Report) -> Iterator[str]:
    shown = report.measurement
    yield f"{report.plan.name}: {'every promise held' if report.held else 'a promise was broken'}"
    yield report.plan.summary
    yield ""
    for verdict in report.verdicts:
        yield f"  {'held  ' if verdict.held else 'BROKEN'}  {verdict.promise}: {verdict.figures}"
    yield ""
    yield f"  {'events':<10} {'sent':>6} {'accepted':>9} {'delivered':>10} {'recoverable':>12} {'lost':>5} {'twice':>6}"
    for name, books in (*shown.books.items(), ("all", shown.total)):
        yield (
            f"  {name:<10} {books.sent:>6} {books.accepted:>9} {books.delivered:>10} "
            f"{sum(books.recoverable.values()):>12} {len(books.lost):>5} {len(books.duplicated):>6}"
            f"{_places(books)}"
        )
    yield ""
    yield f"  {'latency, s':<10} {'region':<12} {'phase':<7} {'number':>6} {'p50':>7} {'p90':>7} {'p99':>7} {'max':>7}"
    for (dependency, region, phase), each in sorted(
        shown.latencies.items(), key=lambda item: (*item[0][:2], PHASES.index(item[0][2]))
    ):
        yield (
            f"  {dependency:<10} {region:<12} {phase:<7} {each.number:>6} "
            f"{each.p50:>7.2f} {each.p90:>7.2f} {each.p99:>7.2f} {each.longest:>7.2f}"
        )
    yield ""
    for dependency, found in shown.comparisons.items():
        yield (
            f"  {dependency}: p99 {found.during_p99:.2f} s during, {found.undisturbed_p99:.2f} s undisturbed, ratio "
            f"{found.ratio:.2f}; undisturbed against itself {found.bootstrap.low:.2f} to {found.bootstrap.high:.2f} "
            f"(bootstrap), {found.halves.low:.2f} to {found.halves.high:.2f} (halves); "
            f"median of {found.pairs} paired differences {found.median_difference:+.3f} s"
        )
    for course in shown.courses:
        yield f"  {_course(course)}"


def _places(books: Books) -> str:
    told: Mapping[Any, int] = books.recoverable
    return f"  ({', '.join(f'{number} {place}' for place, number in told.items())})" if told else ""


def _course(course: Course) -> str:
    detected = "nothing signalled it"
    if course.signal is not None:
        detected = f"detected after {course.detected_after:.1f} s ({course.signal.what})"
    recovered = "not recovered"
    if course.recovered_after is not None:
        recovered = f"recovered {course.recovered_after:.1f} s after its end"
    lasted = course.window.end - course.window.begin
    return f"{course.window.fault} for {lasted:.0f} s: {detected}, {recovered}"
