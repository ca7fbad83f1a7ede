"""How fast items are sent again, in what portions, and what happens when the stream takes none."""

from itertools import pairwise

import pytest

from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.quarantine.desk import Pace
from constructs_lib.operations.quarantine.search import Filter
from tests.unit.operations.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(("rate", "seconds"), [(10.0, 3.9), (0.5, 78.0), (1000.0, 0.0)])
@pytest.mark.requirement("MSG-08")
def test_the_rate_is_kept(world: World, rate: float, seconds: float) -> None:
    """Forty records take as long as the rate says, less what the last portion need not wait for."""
    for number in range(40):
        world.by_runtime(world.record(f"key-{number}"))
    world.redrive(rate=rate)
    last = len(world.stream.rounds[-1])
    assert world.clock.seconds() == pytest.approx((40 - last) / rate)
    assert world.clock.seconds() <= seconds


def test_no_call_holds_two_records_of_a_key(world: World) -> None:
    """Kinesis promises no order within a call."""
    for number in range(30):
        world.by_runtime(world.record("abc"[number % 3]))
    world.redrive(rate=500)
    assert [sorted(each.partition_key for each in called) for called in world.stream.rounds] == [["a", "b", "c"]] * 10


def test_a_call_stays_below_what_kinesis_takes(world: World) -> None:
    """At most 500 records and 5 MiB; a record that is larger goes alone."""
    for number in range(520):
        world.by_runtime(world.record(f"small-{number}"))
    for number, size in enumerate((6, 2, 2, 2)):
        world.by_runtime(world.record(f"large-{number}", b"x" * size * 1024 * 1024))
    world.redrive(rate=10_000)
    sizes = [sum(len(each.data) for each in called) for called in world.stream.rounds]
    assert max(len(called) for called in world.stream.rounds) == 500
    assert all(
        size <= 5 * 1024 * 1024 or len(called) == 1 for size, called in zip(sizes, world.stream.rounds, strict=True)
    )
    assert len(world.stream.taken) == 524


def test_a_stream_that_takes_nothing_is_left_alone_after_a_while(world: World) -> None:
    """Pauses grow; then the operator is told why, and what was sent stays noted."""
    for key in "aabb":
        world.by_runtime(world.record(key))
    world.stream.accepts = lambda _: len(world.stream.rounds) == 1
    times: list[float] = []

    def pause(seconds: float) -> None:
        times.append(seconds)
        world.clock.pause(seconds)

    with pytest.raises(OperationError, match=r"takes nothing any more .*slow down.*lower --rate"):
        world.desk().redrive(Filter(), world.stream.put, Pace(pause=pause, clock=world.clock.seconds))
    assert len(world.stream.rounds) == 11
    assert all(later >= earlier / 2 for earlier, later in pairwise(times[1:]))
    assert sum(times) > 20
    world.stream.accepts = lambda _: True
    assert world.redrive()[0] == 2


def test_asked_to_stop_it_ends_after_the_round_under_way(world: World) -> None:
    """What is on the stream is noted; the rest is left for the next time, without a wait."""
    for key in "aaaa":
        world.by_runtime(world.record(key))
    pace = Pace(pause=world.clock.pause, clock=world.clock.seconds, stopped=lambda: len(world.stream.rounds) == 2)
    sent, plan = world.desk().redrive(Filter(), world.stream.put, pace)
    assert (sent, plan.number) == (2, 4)
    assert world.redrive()[0] == 2


def test_progress_is_told(world: World) -> None:
    """Whoever waits sees how far it is."""
    for key in "aab":
        world.by_runtime(world.record(key))
    world.redrive()
    assert world.said == ["0 of 3 sent", "2 of 3 sent"]


def test_payloads_are_not_held_in_memory_but_read_when_due(world: World) -> None:
    """A batch that many rounds take from is read twice: to find its records, and to send them."""
    key = world.by_lambda([world.record("a") for _ in range(20)])
    single = world.by_runtime(world.record("b"))
    world.redrive()
    assert world.bucket.reads.count(key) == 2
    assert world.bucket.reads.count(single) == 2
