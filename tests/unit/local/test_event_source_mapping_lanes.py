"""Parallelization factor, order per key, isolation, and resharding."""

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.machine import readable
from constructs_lib.local.event_source_mapping.messages import FunctionFailed, Responded
from constructs_lib.local.event_source_mapping.unknowns import BlockedLane, CheckpointScope, Resharding, Unknowns
from tests.unit.local.virtual_shard import Answer, VirtualShard, failing, reporting

# With two lanes, "a" and "b" take different ones; "d" goes where "a" goes.
TWO_LANES = Config(parallelization=2, batch_size=10)


def test_keys_take_the_lanes_these_tests_count_on() -> None:
    """Otherwise the tests below would prove nothing."""
    shard = VirtualShard(TWO_LANES, function=lambda _: (10.0, Responded(None)))
    shard.put(0.0, "a", "d", "b")
    shard.run(until=1.0)
    assert sorted(shard.batches) == [["1", "2"], ["3"]]


@pytest.mark.parametrize("factor", [1, 2, 10])
def test_at_most_as_many_batches_at_once_as_the_factor_says(factor: int) -> None:
    """And as many, when there are keys enough."""
    shard = VirtualShard(Config(parallelization=factor, batch_size=1), function=lambda _: (10.0, Responded(None)))
    shard.put(0.0, *(str(key) for key in range(200)))
    shard.run(until=1.0)
    assert len(shard.batches) == factor


def test_records_of_a_key_are_never_in_two_batches_at_once() -> None:
    """One key uses one lane, however many there are."""
    shard = VirtualShard(Config(parallelization=10, batch_size=1), function=lambda _: (10.0, Responded(None)))
    shard.put(0.0, *("a" * 3))
    shard.run(until=5.0)
    assert shard.batches == [["1"]]
    shard.run(until=100.0)
    assert shard.times == [0.0, 10.0, 20.0]


def test_order_of_a_key_holds_through_failures_of_others() -> None:
    """Each key's records are delivered in the order they were written."""
    keys = [str(index % 7) for index in range(70)]
    shard = VirtualShard(
        Config(parallelization=4, batch_size=3, partial_responses=True), function=_failing_once_per_record()
    )
    sequences = shard.put(0.0, *keys)
    shard.run(until=10_000.0)
    for key in set(keys):
        expected = [sequence for sequence, its_key in zip(sequences, keys, strict=True) if its_key == key]
        assert [sequence for sequence in shard.delivered if sequence in expected] == expected


def _failing_once_per_record() -> "_Failing":
    return _Failing()


class _Failing:
    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, sequences: list[str]) -> Answer:
        new = [sequence for sequence in sequences if sequence not in self.seen and int(sequence) % 3 == 0]
        self.seen.update(new)
        return Responded({"batchItemFailures": [{"itemIdentifier": sequence} for sequence in new]})


@pytest.mark.parametrize(("choice", "delivered"), [(BlockedLane.HOLDS_LANE, ["2"]), (BlockedLane.HOLDS_SHARD, [])])
def test_unknown_what_a_failing_batch_holds_up(choice: BlockedLane, delivered: list[str]) -> None:
    """The other lane goes on, or the whole shard waits."""
    shard = VirtualShard(
        Config(parallelization=2, batch_size=10, unknowns=Unknowns(blocked_lane=choice)), function=failing("1")
    )
    shard.put(0.0, "a")
    shard.put(1.5, "b")
    shard.run(until=500.0)
    assert shard.delivered == delivered


def test_a_blocked_lane_does_not_stop_the_reading_for_others() -> None:
    """The other lane's records keep flowing past the blocked one's."""
    shard = VirtualShard(Config(parallelization=2, batch_size=10), function=failing("1"))
    shard.put(0.0, "a")
    for second in range(1, 100):
        shard.put(float(second), *("b" * 10))
    shard.run(until=200.0)
    assert len(shard.delivered) == 990


def test_the_checkpoint_waits_for_the_slowest_lane() -> None:
    """It never passes a record that is not done."""
    shard = VirtualShard(TWO_LANES, function=failing("1"))
    shard.put(0.0, "a", "b", "b")
    shard.run(until=100.0)
    assert shard.delivered == ["2", "3"]
    assert shard.state.checkpoint is None


def test_the_checkpoint_is_that_of_the_oldest_unfinished_record() -> None:
    """With every lane at work, the one that lies furthest back decides."""
    shard = VirtualShard(TWO_LANES, function=lambda _: (1000.0, Responded(None)))
    shard.put(0.0, "b", "a", "b", "a")
    shard.run(until=100.0)
    assert len(shard.batches) == 2
    assert shard.state.checkpoint is None


@pytest.mark.parametrize(("choice", "again"), [(CheckpointScope.SHARD, ["2", "3"]), (CheckpointScope.LANE, [])])
def test_unknown_whether_other_lanes_start_over_after_a_pause(choice: CheckpointScope, again: list[str]) -> None:
    """What one lane did beyond a blocked one's record is delivered again, or remembered."""
    function = failing("1", times=1)
    shard = VirtualShard(
        Config(parallelization=2, batch_size=10, unknowns=Unknowns(checkpoint_scope=choice)), function=function
    )
    shard.put(0.0, "a", "b", "b")
    shard.disable(at=0.5)
    shard.enable(at=10.0)
    shard.run(until=100.0)
    assert shard.delivered[:2] == ["2", "3"]
    assert sorted(shard.delivered[2:]) == sorted(["1", *again])


def test_lanes_gather_their_own_batches() -> None:
    """Batch size and window are a lane's, not the shard's."""
    shard = VirtualShard(Config(parallelization=2, batch_size=2, window=30.0))
    shard.put(1.0, "a", "b", "a")
    shard.run(until=5.0)
    assert shard.batches == [["1", "3"]]
    shard.run(until=40.0)
    assert shard.batches == [["1", "3"], ["2"]]


def test_a_shard_ends_when_its_last_record_is_done() -> None:
    """A closed shard is finished only after what was read from it."""
    shard = VirtualShard(Config(batch_size=1), function=failing("2", times=1))
    shard.put(0.0, "a", "b")
    shard.shard_ends_at = 0.0
    shard.run(until=0.5)
    assert not shard.state.finished
    shard.run(until=10.0)
    assert shard.state.finished
    assert shard.reads == [0.0]


def test_children_wait_for_their_parents() -> None:
    """A child shard holds what comes after its parents' records, so it is read after them."""
    unknowns = Unknowns()
    assert readable((), {"one"}, unknowns)
    assert not readable(("one",), {"one", "two"}, unknowns)
    assert not readable(("one", "two"), {"two"}, unknowns)
    assert readable(("one", "two"), {"three"}, unknowns)


def test_unknown_whether_children_wait_for_their_parents() -> None:
    """Lambda's documentation does not say; Kinesis' recommends it."""
    assert readable(("one",), {"one"}, Unknowns(resharding=Resharding.AT_ONCE))


def test_a_partial_response_of_one_lane_leaves_the_other_alone() -> None:
    """Each lane has its own batch to go on with."""
    shard = VirtualShard(
        Config(parallelization=2, batch_size=10, partial_responses=True, retries=1), function=reporting("1")
    )
    shard.put(0.0, "a", "b", "a", "b")
    shard.run(until=100.0)
    assert shard.delivered == ["2", "4"]
    assert shard.discarded == ["1", "3"]


def test_an_error_in_one_lane_costs_no_attempt_of_the_other() -> None:
    """Attempts belong to a batch."""
    shard = VirtualShard(
        Config(parallelization=2, batch_size=10, retries=1),
        function=lambda _sequences: FunctionFailed(),
    )
    shard.put(0.0, "a", "b")
    shard.run(until=100.0)
    assert shard.batches.count(["1"]) == shard.batches.count(["2"]) == 2
