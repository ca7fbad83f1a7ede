from constructs_lib.runtime.deadline import Deadline
from tests.unit.runtime.fakes import FakeContext, FakeTime


def test_first_piece_of_work_always_has_time() -> None:
    """However short the function's time-out, every invocation begins something: otherwise nothing would ever move."""
    for timeout in (1.0, 3.0, 30.0, 900.0):
        assert Deadline(FakeContext(timeout_seconds=timeout)).leaves_time()


def test_work_stops_before_the_reserve() -> None:
    """Five seconds of a long invocation are kept to write to quarantine and to answer."""
    time = FakeTime()
    deadline = Deadline(FakeContext(time, timeout_seconds=60))
    time.pass_by(54.9)
    assert deadline.leaves_time()
    assert not deadline.leaves_time(after_seconds=0.2)
    time.pass_by(0.2)
    assert not deadline.leaves_time()


def test_work_as_long_as_the_longest_so_far_must_fit() -> None:
    """After a piece of twenty seconds, none is begun with less than twenty and the reserve left."""
    time = FakeTime()
    deadline = Deadline(FakeContext(time, timeout_seconds=60))
    with deadline.measured():
        time.pass_by(20)
    time.pass_by(14)
    assert deadline.leaves_time()
    time.pass_by(2)
    assert not deadline.leaves_time()
