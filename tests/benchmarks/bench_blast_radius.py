"""What a fault of one dependency does to the others, in virtual time; docs/blast-radius.md has every cell.

Beside each figure stands the same without the fault; then, where slack is struck, the same with one stream for all.
"""

from collections.abc import Sequence

from tests.benchmarks.result import Figure
from tests.blast_radius import matrix
from tests.blast_radius.faults import Fault
from tests.blast_radius.matrix import Effect, Row
from tests.blast_radius.world import DEPENDENCIES, Sharing


def measure() -> Sequence[Figure]:
    """Strike every dependency with every fault."""
    apart = matrix.measure()
    together = matrix.measure(dependencies=DEPENDENCIES[:1], sharing=[Sharing.STREAM])
    return [
        *(_delay(f"{fault}: p99 of another dependency, s", _worst(apart, fault)) for fault in Fault),
        *(
            _delay(f"{row.fault}: p99 of the rest of {row.dependency}, s", row.neighbours)
            for row in apart
            if row.neighbours
        ),
        *(_count(what, apart, together) for what in ("lost", "given_up", "twice")),
        *(
            Figure(
                what=f"{row.fault} of {row.dependency}: p99 of another, s (baseline: one stream)",
                ours=round(_worst(apart, row.fault).p99, 3),
                baseline=round(row.worst.p99, 3),
            )
            for row in together
        ),
    ]


def _delay(what: str, effect: Effect) -> Figure:
    return Figure(
        what=what,
        ours=round(effect.p99, 3),
        baseline=round(effect.undisturbed_p99, 3),
        target=matrix.TARGET,
        counted=True,
    )


def _count(what: str, apart: Sequence[Row], together: Sequence[Row]) -> Figure:
    return Figure(
        what=f"messages of other dependencies {what.replace('_', ' ')} (baseline: one stream)",
        ours=sum(getattr(effect, what) for row in apart for effect in row.others.values()),
        baseline=sum(getattr(effect, what) for row in together for effect in row.others.values()),
        target=0,
        counted=True,
    )


def _worst(rows: Sequence[Row], fault: Fault) -> Effect:
    return max((row.worst for row in rows if row.fault is fault), key=lambda effect: effect.ratio)
