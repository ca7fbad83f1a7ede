"""Order per key when one record fails once: 12 records of 3 keys, each failing in turn.

A trial counts when a record took effect before an earlier one of its key, over batches of 12 and of 5 and, for ours, with
parallelization too. Both run in virtual time against the local cloud's event source mapping.
"""

from collections.abc import Iterable, Sequence
from itertools import product

from tests.benchmarks.result import Figure
from tests.benchmarks.stream_peers import Powertools
from tests.unit.runtime.stream_model import Model, Shape

KEYS = [f"{'abc'[number % 3]}0" for number in range(12)]
BATCH_SIZES = (12, 5)


def measure() -> Sequence[Figure]:
    """Count the trials with an inversion."""
    trials = list(product(range(len(KEYS)), BATCH_SIZES))
    return [
        Figure(
            what=f"trials of {len(trials)} with an inversion, one record failing once",
            ours=sum(is_inverted(ours(failing, size)) for failing, size in trials),
            baseline=sum(is_inverted(powertools(failing, size)) for failing, size in trials),
            target=0,
            counted=True,
        )
    ]


def is_inverted(effects: Iterable[int]) -> bool:
    """Whether a record took effect after a later one of its key had."""
    newest: dict[str, int] = {}
    for number in effects:
        if number < newest.get(KEYS[number], -1):
            return True
        newest[KEYS[number]] = number
    return False


def powertools(failing: int, batch_size: int) -> list[int]:
    """The effects, in their order."""
    effects: list[int] = []
    left = [failing]

    def handle(sequence: str) -> None:
        number = int(sequence) - 1
        if number in left:
            left.remove(number)
            raise ConnectionError("reset")
        effects.append(number)

    Powertools(handle, KEYS, batch_size).run()
    assert sorted(set(effects)) == list(range(len(KEYS)))
    return effects


def ours(failing: int, batch_size: int) -> list[int]:
    """The effects, in their order."""
    effects: list[int] = []
    model = Model(Shape(batch_size=batch_size, parallelization=1 + failing % 3, seed=failing))
    for number, key in enumerate(KEYS):
        model.put(key, "flaky" if number == failing else "fine")
    model.delivered = lambda sent: effects.append(int(sent.id.removeprefix("m-")) - 1)
    model.run(600)
    assert sorted(effects) == list(range(len(KEYS)))
    return effects
