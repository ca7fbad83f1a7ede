"""Whether what a drill has shown is what was promised."""

from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib.local.drill.measurement import Measurement
from constructs_lib.local.drill.plan import Promises


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One promise: its name, whether it held, and the figures that say so."""

    promise: str
    held: bool
    figures: str


def judge(promises: Promises, measurement: Measurement) -> tuple[Verdict, ...]:
    """A verdict for each promise of the plan."""
    return (
        *_counts(promises, measurement),
        *_deliveries(promises, measurement),
        *_comparisons(promises, measurement),
        *_times(promises, measurement),
    )


def _counts(promises: Promises, measurement: Measurement) -> Iterator[Verdict]:
    total = measurement.total
    if total.accepted == 0:
        yield Verdict(promise="something accepted", held=False, figures=f"none of {total.sent} events was accepted")
    for name, most, found in (
        ("lost", promises.lost, len(total.lost)),
        ("duplicated", promises.duplicated, len(total.duplicated)),
        ("refused", promises.refused, total.refused),
    ):
        if most is not None:
            yield Verdict(promise=f"at most {most} {name}", held=found <= most, figures=f"{found} of {total.sent}")


def _deliveries(promises: Promises, measurement: Measurement) -> Iterator[Verdict]:
    for dependency in promises.delivers_during:
        counts = [course.delivered_during.get(dependency, (0, 0)) for course in measurement.courses]
        in_time, early = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
        yield Verdict(
            promise=f"{dependency} delivers during the fault",
            held=0 < early == in_time,
            figures=f"{in_time} of {early} sent in its first half arrived before its end",
        )


def _comparisons(promises: Promises, measurement: Measurement) -> Iterator[Verdict]:
    for dependency in promises.untouched:
        found = measurement.comparisons.get(dependency)
        pairs = found.pairs if found else 0
        if found is None or pairs < promises.pairs:
            figures = f"{pairs} pairs of samples are too few to tell; {promises.pairs} are needed"
            yield Verdict(promise=f"{dependency} is untouched", held=False, figures=figures)
        else:
            yield Verdict(
                promise=f"{dependency} is untouched",
                held=found.tells_something and found.is_as_undisturbed,
                figures=f"{'' if found.tells_something else 'too much noise to tell: '}p99 during / undisturbed {found.ratio:.2f}; undisturbed / undisturbed "
                f"{found.bootstrap.low:.2f} to {found.bootstrap.high:.2f} (bootstrap), "
                f"{found.halves.low:.2f} to {found.halves.high:.2f} (halves); {pairs} pairs",
            )


def _times(promises: Promises, measurement: Measurement) -> Iterator[Verdict]:
    for name, most, found in (
        ("detected", promises.detected_within, [course.detected_after for course in measurement.courses]),
        ("recovered", promises.recovered_within, [course.recovered_after for course in measurement.courses]),
    ):
        if most is not None:
            figures = ", ".join("never" if each is None else f"{each:.1f} s" for each in found) or "no fault happened"
            held = bool(found) and all(each is not None and each <= most for each in found)
            yield Verdict(promise=f"{name} within {most:g} s", held=held, figures=figures)
