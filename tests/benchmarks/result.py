"""What a benchmark reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of ours beside the baseline's.

    Attributes:
        what: What was counted or timed, with its unit.
        ours, baseline: The two figures of this run.
        target: Most that ours/baseline may be. None: no target.
        counted: Whether the figure is a count, the same on every machine. A counted target that is missed fails the run;
            a timed one is only shown, for a busy machine may miss it.
    """

    what: str
    ours: float
    baseline: float
    target: float | None = None
    counted: bool = False

    @property
    def ratio(self) -> float:
        """Ours in units of the baseline; where that is nothing, ours is nothing too or infinitely more."""
        if not self.baseline:
            return inf if self.ours else 0.0
        return self.ours / self.baseline

    @property
    def missed(self) -> bool:
        """Whether there is a target, and the ratio is above it."""
        return self.target is not None and self.ratio > self.target


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown, counted ones first."""
    lines = ["| what | ours | baseline | ratio | target |", "|---|---:|---:|---:|---:|"]
    for figure in sorted(figures, key=lambda each: not each.counted):
        target = "none" if figure.target is None else f"≤ {figure.target:g}{' MISSED' if figure.missed else ''}"
        lines.append(f"| {figure.what} | {figure.ours:g} | {figure.baseline:g} | {figure.ratio:.3f} | {target} |")
    return "\n".join(lines)
