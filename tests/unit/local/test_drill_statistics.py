"""A comparison tells a slowdown from what differs anyway."""

import random

from constructs_lib.local.drill.statistics import compare, percentile


def latencies(number: int, *, seed: int, factor: float = 1.0) -> list[float]:
    """Latencies with a tail, as systems have them."""
    chance = random.Random(seed)
    return [factor * chance.lognormvariate(-1.0, 0.3) for _ in range(number)]


def test_percentiles_are_values_that_were_measured() -> None:
    """Nearest rank: never something in between."""
    values = [float(number) for number in range(200, 0, -1)]
    assert [percentile(values, share) for share in (0.005, 0.5, 0.99, 1.0)] == [1.0, 100.0, 198.0, 200.0]
    assert percentile([7.0], 0.99) == 7.0


def test_a_second_undisturbed_run_is_as_undisturbed() -> None:
    """Its ratio lies inside the spread, whichever way the spread is made."""
    found = compare(latencies(200, seed=1), latencies(200, seed=2))
    assert found is not None
    assert found.pairs == 200
    for spread in (found.bootstrap, found.halves):
        assert spread.low < 1.0 < spread.high
        assert spread.low <= found.ratio <= spread.high
    assert found.is_as_undisturbed
    assert found.tells_something


def test_a_slowdown_is_noticed() -> None:
    """Latencies half as long again are outside of the spread."""
    found = compare(latencies(200, seed=1), latencies(200, seed=2, factor=1.5))
    assert found is not None
    assert found.ratio > found.bootstrap.high
    assert not found.is_as_undisturbed
    assert found.median_difference > 0.1


def test_the_longer_series_is_thinned_evenly() -> None:
    """As many of both are compared; the first and the last stretch both count."""
    found = compare([1.0] * 100 + [3.0] * 100, [2.0] * 50)
    assert found is not None
    assert (found.pairs, found.undisturbed_p99) == (50, 3.0)
    assert found.median_difference == -1.0


def test_slow_moments_that_come_in_a_row_widen_the_spread() -> None:
    """Neighbours are drawn together, so a burst is drawn whole or not at all."""
    values = [0.1] * 200
    values[100:108] = [1.0] * 8
    found = compare(values, values)
    assert found is not None
    assert found.bootstrap.high == 10.0
    assert not found.tells_something


def test_the_same_samples_give_the_same_answer() -> None:
    """A report can be computed again."""
    assert compare(latencies(50, seed=1), latencies(50, seed=2)) == compare(
        latencies(50, seed=1), latencies(50, seed=2)
    )


def test_one_sample_is_nothing_to_compare() -> None:
    """There is no spread of one."""
    assert compare([1.0], [1.0, 2.0]) is None
