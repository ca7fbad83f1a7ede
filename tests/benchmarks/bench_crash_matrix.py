"""A function that ends at every possible moment: 12 records of 3 keys, a crash before and after every call.

Records are young, or old enough for the journal. After the crash the mapping delivers again, until nothing is left. Both
run in virtual time against the local cloud's event source mapping. What is lost is counted, and what had nothing to do
with the batch that the crash interrupted and was done again all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.result import Figure
from tests.benchmarks.stream_peers import Powertools
from tests.unit.runtime.stream_model import Model, Shape
from tests.unit.runtime.stream_world import Crash

KEYS = [f"{'abc'[number % 3]}0" for number in range(12)]
BATCH_SIZE = 6
MOST_MOMENTS = 500


@dataclass
class Tally:
    """What came of all moments: how many there were, records lost, and records done again."""

    moments: int = 0
    lost: int = 0
    again: int = 0


def measure() -> Sequence[Figure]:
    """Try every moment with both."""
    young, old, theirs = ours(age=0), ours(age=3_600), powertools()
    figures = []
    for name, tally in (("young", young), ("old", old)):
        figures += [
            Figure(
                what=f"{name} records lost over {tally.moments} moments (baseline: {theirs.moments})",
                ours=tally.lost,
                baseline=theirs.lost,
                target=0,
                counted=True,
            ),
            Figure(
                what=f"{name} records done again per moment",
                ours=round(tally.again / tally.moments, 2),
                baseline=round(theirs.again / theirs.moments, 2),
            ),
        ]
    return figures


def ours(*, age: float) -> Tally:
    """Our consumer. The model notes when a record comes again that was not in the interrupted batch."""
    tally = Tally()
    for moment in range(MOST_MOMENTS):
        model = Model(Shape(batch_size=BATCH_SIZE, concurrency=3))
        model.run(1)
        if age:
            # An operator stopped the mapping; what waited in the stream is old when it goes on.
            model.shards[0].disable(at=model.clock.now)
            model.run(1)
        for key in KEYS:
            model.put(key)
        if age:
            model.run(age)
            model.shards[0].enable(at=model.clock.now)
        model.crash_in = moment
        model.run(50)
        if model.crash_in is not None:
            return tally
        model.run(600)
        assert not model.broken
        tally.moments += 1
        tally.lost += sum(not sent.delivered for sent in model.sent.values())
        tally.again += sum(max(0, sent.delivered - 1) for sent in model.sent.values())
    raise AssertionError("there is no end to the moments")


def powertools() -> Tally:
    """Powertools' batch processor; a crash before and after each record."""
    tally = Tally()
    for moment in range(2 * len(KEYS)):
        left = [moment]
        effects: list[str] = []

        def step(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise Crash

        def handle(sequence: str, effects: list[str] = effects, step: object = step) -> None:
            assert callable(step)
            step()
            effects.append(sequence)
            step()

        Powertools(handle, KEYS, BATCH_SIZE).run()
        tally.moments += 1
        tally.lost += len(KEYS) - len(set(effects))
        tally.again += len(effects) - len(set(effects))
    return tally
