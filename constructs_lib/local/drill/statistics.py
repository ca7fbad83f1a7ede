"""Comparing latencies: is what was measured during a fault different from what differs anyway?"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DRAWS = 1_000
_BLOCK = 10
_TAIL = 0.99
_NOISE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far the ratio of two undisturbed p99s lies from 1: the middle 95 of 100 draws."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Latencies during a fault beside undisturbed ones, paired by their order.

    Attributes:
        pairs: How many of each were compared.
        undisturbed_p99, during_p99: Seconds.
        ratio: The second over the first.
        bootstrap: The same ratio of two undisturbed runs, each drawn from the undisturbed samples in blocks of
            neighbours, for slow moments come in a row.
        halves: The same ratio of two halves of the undisturbed samples, dealt by chance.
        median_difference: Of the pairs, in seconds; positive where the fault slows down.
    """

    pairs: int
    undisturbed_p99: float
    during_p99: float
    ratio: float
    bootstrap: Spread
    halves: Spread
    median_difference: float

    @property
    def tells_something(self) -> bool:
        """Whether undisturbed runs are alike enough for a difference to be seen: they differ by less than threefold."""
        return self.bootstrap.high < _NOISE

    @property
    def is_as_undisturbed(self) -> bool:
        """Whether the ratio is no larger than two undisturbed runs make it."""
        return self.ratio <= self.bootstrap.high


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least *share* of *values* do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def compare(undisturbed: Sequence[float], during: Sequence[float], *, seed: int = 0) -> Comparison | None:
    """Compare as many of both as there are pairs; None when there are fewer than two.

    Args:
        undisturbed, during: Seconds, in the order in which the samples were sent.
        seed: Of the draws, so that the same samples give the same answer.
    """
    pairs = min(len(undisturbed), len(during))
    if pairs < 2:
        return None
    before, meanwhile = _thinned(undisturbed, pairs), _thinned(during, pairs)
    chance = random.Random(seed)  # noqa: S311 - draws, not secrets
    before_p99, during_p99 = percentile(before, _TAIL), percentile(meanwhile, _TAIL)
    return Comparison(
        pairs=pairs,
        undisturbed_p99=before_p99,
        during_p99=during_p99,
        ratio=during_p99 / before_p99,
        bootstrap=_spread([_ratio(_resampled(before, chance), _resampled(before, chance)) for _ in range(_DRAWS)]),
        halves=_spread([_ratio(*_halves(before, chance)) for _ in range(_DRAWS)]),
        median_difference=percentile([two - one for one, two in zip(before, meanwhile, strict=True)], 0.5),
    )


def _thinned(values: Sequence[float], number: int) -> list[float]:
    """*number* of the values, evenly from all of them."""
    return [values[index * len(values) // number] for index in range(number)]


def _ratio(one: Sequence[float], two: Sequence[float]) -> float:
    return percentile(one, _TAIL) / percentile(two, _TAIL)


def _resampled(values: Sequence[float], chance: random.Random) -> list[float]:
    return list(_blocks(values, chance))[: len(values)]


def _blocks(values: Sequence[float], chance: random.Random) -> Iterator[float]:
    size = min(_BLOCK, len(values))
    for _ in range(math.ceil(len(values) / size)):
        begin = chance.randrange(len(values) - size + 1)
        yield from values[begin : begin + size]


def _halves(values: Sequence[float], chance: random.Random) -> tuple[list[float], list[float]]:
    dealt = chance.sample(values, len(values))
    middle = len(values) // 2
    return dealt[:middle], dealt[middle:]


def _spread(ratios: Sequence[float]) -> Spread:
    return Spread(low=percentile(ratios, 0.025), high=percentile(ratios, 0.975))
