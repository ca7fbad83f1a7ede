"""Where reading starts, stops and resumes; what reaches the on-failure destination."""

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.messages import (
    DiscardEnded,
    FetchFailed,
    FunctionFailed,
    InvocationEnded,
    NotInvoked,
    RecordsFetched,
    Responded,
    TimeReached,
)
from constructs_lib.local.event_source_mapping.unknowns import (
    CheckpointScope,
    DestinationFailure,
    InFlightWhenDisabled,
    Unknowns,
)
from tests.unit.local.virtual_shard import Answer, Function, VirtualShard, answering, failing, succeeding


def slow(seconds: float) -> Function:
    """A function that takes this long."""
    return lambda _sequences: (seconds, Responded(None))


def test_a_disabled_mapping_neither_reads_nor_invokes() -> None:
    """From the start, and after it was disabled."""
    shard = VirtualShard(Config(), enabled=False)
    shard.put(0.0, "a")
    shard.run(until=100.0)
    assert shard.reads == []
    shard.feed(TimeReached(100.0))
    assert shard.reads == []
    shard.enable(at=100.0)
    shard.disable(at=110.5)
    shard.put(120.0, "b")
    shard.run(until=1000.0)
    assert shard.batches == [["1"]]
    assert max(shard.reads) < 111


def test_an_enabled_mapping_resumes_after_the_last_record_processed() -> None:
    """Nothing is skipped, nothing done is done again."""
    shard = VirtualShard(Config(batch_size=2))
    shard.put(0.0, "a", "b")
    shard.disable(at=5.0)
    shard.put(6.0, "c")
    shard.enable(at=50.0)
    shard.run(until=60.0)
    assert shard.batches == [["1", "2"], ["3"]]


def test_a_checkpoint_from_before_is_where_reading_starts() -> None:
    """What another life of the mapping did stays done."""
    shard = VirtualShard(Config(), checkpoint="2")
    shard.put(0.0, *"abcd")
    shard.run(until=1.0)
    assert shard.batches == [["3", "4"]]


def test_a_batch_in_retry_is_delivered_after_the_pause() -> None:
    """Disabling gives up the attempt, not the record; its attempts begin anew."""
    shard = VirtualShard(Config(retries=3), function=failing("1"))
    shard.put(0.0, "a")
    shard.disable(at=0.5)
    shard.enable(at=100.0)
    shard.run(until=1000.0)
    assert shard.times[1] == 100.0
    assert len(shard.batches) == 1 + 4
    assert shard.discarded == ["1"]


def test_what_was_given_up_beside_a_blocked_record_stays_given_up() -> None:
    """Where lanes have a memory of their own, a pause repeats neither what one has done nor what it has discarded."""

    def function(sequences: list[str]) -> Answer:
        return NotInvoked() if "1" in sequences else FunctionFailed()

    unknowns = Unknowns(checkpoint_scope=CheckpointScope.LANE)
    shard = VirtualShard(Config(parallelization=2, retries=0, unknowns=unknowns), function=function)
    shard.put(0.0, "a", "b")
    shard.disable(at=5.0)
    shard.enable(at=50.0)
    shard.run(until=100.0)
    assert shard.batches.count(["2"]) == 1


@pytest.mark.parametrize(
    ("choice", "batches"),
    [(InFlightWhenDisabled.COUNTS, [["1"]]), (InFlightWhenDisabled.IGNORED, [["1"], ["1"]])],
)
def test_unknown_whether_the_invocation_under_way_counts(
    choice: InFlightWhenDisabled, batches: list[list[str]]
) -> None:
    """Its batch is done, or delivered again after the pause."""
    shard = VirtualShard(Config(unknowns=Unknowns(in_flight_when_disabled=choice)), function=slow(10.0))
    shard.put(0.0, "a")
    shard.disable(at=5.0)
    shard.enable(at=50.0)
    shard.run(until=100.0)
    assert shard.batches == batches
    assert shard.state.checkpoint == "1"


def test_enabling_again_during_an_invocation_keeps_order() -> None:
    """Reading resumes when the invocation from before has ended, not beside it."""
    shard = VirtualShard(Config(batch_size=1), function=slow(10.0))
    shard.put(0.0, "a", "b")
    shard.disable(at=1.0)
    shard.enable(at=2.0)
    shard.run(until=100.0)
    assert shard.batches == [["1"], ["2"]]
    assert shard.times == [0.0, 10.0]


def test_answers_from_before_a_pause_change_nothing() -> None:
    """Late answers to calls that are no longer under way are dropped."""
    shard = VirtualShard(Config())
    shard.run(until=0.5)
    before = shard.state
    for event in (
        RecordsFetched(0.5, 99, ()),
        FetchFailed(0.5, 99),
        InvocationEnded(0.5, 99, Responded(None)),
        DiscardEnded(0.5, 99, delivered=True),
    ):
        shard.feed(event)
        assert shard.state == before


def test_the_checkpoint_never_passes_an_unfinished_record() -> None:
    """While the second batch fails, the checkpoint stays at the end of the first."""
    shard = VirtualShard(Config(batch_size=2), function=failing("4"))
    shard.put(0.0, *"abcdef")
    shard.run(until=500.0)
    assert shard.state.checkpoint == "2"
    assert shard.checkpoints == sorted(shard.checkpoints, key=lambda checkpoint: int(checkpoint or 0))


def test_a_batch_is_passed_over_only_after_the_destination_has_it() -> None:
    """The checkpoint waits for the write, so that a crash between the two loses nothing."""
    shard = VirtualShard(Config(batch_size=1, retries=0, destination=True), function=failing("1"), latency=1.0)
    shard.put(0.0, "a", "b")
    shard.run(until=2.5)
    assert shard.discarded == ["1"]
    assert shard.state.checkpoint is None
    shard.run(until=100.0)
    assert shard.state.checkpoint == "2"


def test_without_a_destination_a_discarded_batch_is_passed_over_at_once() -> None:
    """Nobody is told, and nothing is waited for."""
    shard = VirtualShard(Config(batch_size=1, retries=0), function=failing("1"))
    shard.put(0.0, "a", "b")
    shard.run(until=0.0)
    assert [discard.to_destination for discard in shard.discards] == [False]
    assert shard.delivered == ["2"]


@pytest.mark.parametrize(("choice", "writes"), [(DestinationFailure.RETRIES, 4), (DestinationFailure.DROPS, 1)])
def test_unknown_whether_an_unreachable_destination_holds_the_shard(choice: DestinationFailure, writes: int) -> None:
    """The write is tried until it succeeds, or the batch is gone after one."""
    answers = [False, False, False]
    shard = VirtualShard(
        Config(batch_size=1, retries=0, destination=True, unknowns=Unknowns(destination_failure=choice)),
        function=failing("1"),
        destination=lambda: answers.pop() if answers else True,
    )
    shard.put(0.0, "a", "b")
    shard.run(until=100.0)
    assert len(shard.discards) == writes
    assert len({discard.call for discard in shard.discards}) == writes
    assert shard.delivered == ["2"]


def test_what_the_destination_hears_is_the_last_answer() -> None:
    """`responseContext` describes the invocation that exhausted the retries."""
    last = FunctionFailed(request_id="second", executed_version="7")
    shard = VirtualShard(
        Config(retries=1, destination=True), function=answering(FunctionFailed(request_id="first"), last)
    )
    shard.put(0.0, "a")
    shard.run(until=100.0)
    assert shard.discards[0].response is last


def test_other_shards_are_other_machines() -> None:
    """A shard's state holds nothing of another's: one blocked for ever leaves the other's deliveries as they were."""
    config = Config(batch_size=1)
    alone, beside, blocked = VirtualShard(config), VirtualShard(config), VirtualShard(config, function=failing("1"))
    for shard in (alone, beside, blocked):
        for second in range(20):
            shard.put(float(second), "k")
    for second in range(100):
        blocked.run(until=float(second))
        beside.run(until=float(second))
    alone.run(until=99.0)
    assert blocked.delivered == []
    assert (beside.times, beside.delivered) == (alone.times, alone.delivered)


def test_waking_early_does_no_harm() -> None:
    """A driver may send `TimeReached` whenever it likes."""
    shard = VirtualShard(Config(window=10.0), function=succeeding)
    shard.put(0.0, "a")
    for tenth in range(100):
        shard.at(tenth / 10, lambda: None)
        shard.run(until=tenth / 10)
    assert shard.batches == []
    shard.run(until=10.0)
    assert shard.batches == [["1"]]
