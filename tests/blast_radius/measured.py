"""What drills on the local cloud measured: their reports in short, in docs/measured."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a drill did to one dependency.

    Attributes:
        dependency: Its name.
        untouched: Whether the drill's plan promises that it notices nothing.
        sent, delivered, recoverable, lost, twice: Messages.
        pairs: Latencies that were compared.
        undisturbed_p99, during_p99: Seconds.
        ratio: The second over the first.
        low, high: Between these lies the ratio of undisturbed to undisturbed.
    """

    dependency: str
    untouched: bool
    sent: int
    delivered: int
    recoverable: int
    lost: int
    twice: int
    pairs: int
    undisturbed_p99: float
    during_p99: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill.

    Attributes:
        name: Of its plan in tests/e2e/drills.
        faults: What went wrong, and how many times.
        findings: One for each dependency.
    """

    name: str
    faults: Mapping[str, int]
    findings: Sequence[Finding]


def shorten(report: Mapping[str, Any]) -> Drill:
    """The summary of a report that `./dev drill` wrote."""
    promised = {each["promise"] for each in report["promises"]}
    return Drill(
        name=report["drill"],
        faults=dict(Counter(fault["window"]["fault"] for fault in report["faults"])),
        findings=[
            Finding(
                dependency=name,
                untouched=f"{name} is untouched" in promised,
                sent=books["sent"],
                delivered=books["delivered"],
                recoverable=sum(books["recoverable"].values()),
                lost=len(books["lost"]),
                twice=len(books["duplicated"]),
                pairs=found["pairs"],
                undisturbed_p99=round(found["undisturbed_p99"], 3),
                during_p99=round(found["during_p99"], 3),
                ratio=round(found["ratio"], 3),
                low=round(found["bootstrap"]["low"], 3),
                high=round(found["bootstrap"]["high"], 3),
            )
            for name, books in sorted(report["dependencies"].items())
            if (found := report["comparisons"].get(name))
        ],
    )


def keep(drill: Drill, folder: Path) -> None:
    """Write *drill* into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{drill.name}.json").write_text(json.dumps(asdict(drill), indent=2) + "\n", encoding="utf-8")


def kept(folder: Path) -> Iterator[Drill]:
    """The drills in *folder*, by name."""
    for path in sorted(folder.glob("*.json")):
        given = json.loads(path.read_text(encoding="utf-8"))
        yield Drill(
            name=given["name"],
            faults=given["faults"],
            findings=[Finding(**finding) for finding in given["findings"]],
        )
