"""Records that grow too old: for the mapping, or for the stream."""

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.messages import Condition, NotInvoked
from constructs_lib.local.event_source_mapping.unknowns import AgeInvokeCount, StreamExpiry, TooOld, Unknowns
from tests.unit.local.virtual_shard import VirtualShard, answering, failing


def test_a_record_older_than_the_maximum_age_is_never_sent() -> None:
    """A backlog from before is given up at the first look; what is young enough goes out."""
    shard = VirtualShard(Config(record_age=60.0, destination=True), enabled=False)
    shard.put(0.0, *"ab")
    shard.put(50.0, *"cd")
    shard.enable(at=100.0)
    shard.run(until=200.0)
    assert shard.discarded == ["1", "2"]
    assert shard.batches == [["3", "4"]]


def test_a_record_of_exactly_the_maximum_age_is_sent() -> None:
    """Older than the limit, not as old."""
    shard = VirtualShard(Config(record_age=60.0), enabled=False)
    shard.put(0.0, "a")
    shard.enable(at=60.0)
    shard.run(until=100.0)
    assert shard.batches == [["1"]]


def test_retries_end_when_the_maximum_age_is_passed() -> None:
    """Age ends what an unlimited number of retries would not."""
    shard = VirtualShard(Config(record_age=60.0, destination=True), function=failing("1"))
    shard.put(0.0, "a")
    shard.put(90.0, "b")
    shard.run(until=1000.0)
    assert shard.times[-2] <= 60.0
    (discard,) = shard.discards
    assert discard.condition is Condition.RECORD_AGE_EXCEEDED
    assert shard.delivered == ["2"]


def test_throttled_records_age_too() -> None:
    """Tries that never reach the function go on until the record is too old."""
    shard = VirtualShard(Config(record_age=60.0, destination=True), function=answering(*[NotInvoked()] * 1000))
    shard.put(0.0, "a")
    shard.run(until=1000.0)
    assert shard.batches == []
    assert [discard.condition for discard in shard.discards] == [Condition.RECORD_AGE_EXCEEDED]


def test_a_record_given_up_for_its_age_has_no_answer_of_the_function() -> None:
    """`responseContext` is absent, even if the function had failed with it before."""
    shard = VirtualShard(Config(record_age=60.0, destination=True), function=failing("1"))
    shard.put(0.0, "a")
    shard.run(until=1000.0)
    assert shard.discards[0].response is None


@pytest.mark.parametrize(("choice", "count"), [(AgeInvokeCount.ONE, 1), (AgeInvokeCount.COUNTED, 6)])
def test_unknown_which_invoke_count_an_aged_batch_has(choice: AgeInvokeCount, count: int) -> None:
    """Sent at 0, 1, 3, 7, 15 and 31 seconds, then too old."""
    config = Config(record_age=60.0, destination=True, unknowns=Unknowns(age_invoke_count=choice))
    shard = VirtualShard(config, function=failing("1"))
    shard.put(0.0, "a")
    shard.run(until=1000.0)
    assert len(shard.batches) == 6
    assert shard.discards[0].invoke_count == count


@pytest.mark.parametrize(
    ("choice", "discarded", "delivered"),
    [(TooOld.OLD_RECORDS, ["1"], ["2"]), (TooOld.WHOLE_BATCH, ["1", "2"], [])],
)
def test_unknown_what_goes_when_part_of_a_batch_is_too_old(
    choice: TooOld, discarded: list[str], delivered: list[str]
) -> None:
    """A batch of an old and a young record: the old one goes, or both."""
    shard = VirtualShard(Config(record_age=60.0, unknowns=Unknowns(too_old=choice)), enabled=False)
    shard.put(0.0, "a")
    shard.put(50.0, "b")
    shard.enable(at=70.0)
    shard.run(until=100.0)
    assert shard.discarded == discarded
    assert shard.delivered == delivered


def test_retries_end_when_the_record_leaves_the_stream() -> None:
    """Without a maximum age, the stream's retention is the end."""
    shard = VirtualShard(Config(retention=3600.0), function=failing("1"))
    shard.put(0.0, "a")
    shard.put(3000.0, "b")
    shard.run(until=5000.0)
    assert shard.times[-2] <= 3600.0
    assert shard.discarded == ["1"]
    assert shard.delivered == ["2"]


@pytest.mark.parametrize(("choice", "told"), [(StreamExpiry.SILENT, False), (StreamExpiry.TOLD, True)])
def test_unknown_whether_the_destination_hears_of_expired_records(choice: StreamExpiry, told: bool) -> None:
    """Records that left the stream are lost in silence, or reported as too old."""
    config = Config(retention=3600.0, destination=True, unknowns=Unknowns(stream_expiry=choice))
    shard = VirtualShard(config, function=failing("1"))
    shard.put(0.0, "a")
    shard.run(until=5000.0)
    assert [discard.to_destination for discard in shard.discards] == [told]
    assert shard.discards[0].condition is (Condition.RECORD_AGE_EXCEEDED if told else None)


def test_paused_mappings_do_not_stop_the_clock() -> None:
    """Records age while the mapping is disabled, and are given up when it is enabled again."""
    shard = VirtualShard(Config(record_age=60.0))
    shard.put(0.0, "a")
    shard.disable(at=10.0)
    shard.put(20.0, "b")
    shard.enable(at=100.0)
    shard.run(until=200.0)
    assert shard.delivered == ["1"]
    assert shard.discarded == ["2"]
