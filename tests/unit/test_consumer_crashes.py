"""What is wired as in a function, through a crash at every moment. `./dev bench` counts the same beside its peers."""

import pytest

from tests.benchmarks import bench_answer_crashes, bench_consumer_crashes
from tests.benchmarks.consumer_effects import cases
from tests.benchmarks.queue_world import Receiver

RECEIVERS: list[Receiver] = []
CASES = {case.name: case for case in cases(lambda: RECEIVERS[-1])}


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-05")
@pytest.mark.parametrize("name", CASES)
def test_no_crash_of_a_queue_consumer_loses_or_doubles_more_than_is_promised(name: str) -> None:
    """Nothing is missing, nothing became a dead letter, and of items nothing was refused in between."""
    case = CASES[name]
    tally, moments = bench_consumer_crashes.every_moment(bench_consumer_crashes.ours(case, RECEIVERS), case.count)
    assert moments >= 8
    assert (tally.losing, tally.most) == (0, case.repetitions)
    assert case.outside or tally.refused == 0


@pytest.mark.requirement("IDM-05")
@pytest.mark.parametrize("name", CASES)
def test_what_the_queue_delivers_again_after_a_crash_is_never_refused(name: str) -> None:
    """It does so at its visibility timeout, and by then the claim has lapsed."""
    case = CASES[name]
    consumer = bench_consumer_crashes.ours(case, RECEIVERS)
    tally, _ = bench_consumer_crashes.every_moment(consumer, case.count, copies=False)
    assert tally.redelivered
    assert (tally.refused, tally.losing, tally.most) == (0, 0, case.repetitions)


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-05")
def test_no_crash_leaves_a_caller_without_its_one_answer() -> None:
    """The call outside is repeated at most once."""
    tally = bench_answer_crashes.every_moment(bench_answer_crashes.ours)
    assert tally.moments >= 6
    assert (tally.unanswered, tally.different) == (0, 0)
