"""How records become batches: size, window, payload limit, polling."""

import pytest

from constructs_lib.local.event_source_mapping.config import PAYLOAD_LIMIT, Config
from constructs_lib.local.event_source_mapping.messages import Responded
from constructs_lib.local.event_source_mapping.unknowns import EmptyWindow, FilteredRecords, Unknowns
from tests.unit.local.test_event_source_mapping_filters import kinesis_event, only
from tests.unit.local.virtual_shard import VirtualShard


def test_records_go_out_as_soon_as_they_are_there() -> None:
    """Without a window a single record is sent at once, by itself."""
    shard = VirtualShard(Config(poll_interval=1.0))
    shard.put(2.0, "a")
    shard.run(until=10.0)
    assert shard.batches == [["1"]]
    assert shard.times == [2.0]


def test_a_batch_holds_at_most_batch_size_records() -> None:
    """What is more goes into the next batches, in order."""
    shard = VirtualShard(Config(batch_size=3))
    shard.put(0.0, *"abcdefg")
    shard.run(until=1.0)
    assert shard.batches == [["1", "2", "3"], ["4", "5", "6"], ["7"]]


def test_one_batch_of_a_shard_at_a_time() -> None:
    """The next batch waits for the function's answer, and then takes what has come meanwhile."""
    shard = VirtualShard(Config(poll_interval=0.5), function=lambda _: (10.0, Responded(None)))
    shard.put(0.0, "a")
    shard.put(1.0, "b")
    shard.put(2.0, "c")
    shard.run(until=30.0)
    assert shard.batches == [["1"], ["2", "3"]]
    assert shard.times == [0.0, 10.0]


def test_a_window_gathers_records() -> None:
    """With a window, what comes within it is sent together when it closes."""
    shard = VirtualShard(Config(window=20.0))
    shard.put(1.0, "a")
    shard.put(15.0, "b")
    shard.run(until=60.0)
    assert shard.batches == [["1", "2"]]
    assert shard.times == [20.0]


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    """Batch size ends the window early."""
    shard = VirtualShard(Config(window=20.0, batch_size=2))
    shard.put(3.0, "a", "b", "c")
    shard.run(until=10.0)
    assert shard.batches == [["1", "2"]]
    assert shard.times == [3.0]


def test_a_full_payload_does_not_wait_for_its_window() -> None:
    """6 MB end the window early, and no event is larger."""
    shard = VirtualShard(Config(window=20.0))
    shard.put(3.0, "a", "b", "c", size=PAYLOAD_LIMIT // 2 - 100)
    shard.run(until=10.0)
    assert shard.batches == [["1", "2"]]
    assert shard.times == [3.0]


def test_a_batch_fits_the_payload_of_one_invocation() -> None:
    """Records whose sum passes 6 MB go out in several batches, none left behind."""
    shard = VirtualShard(Config())
    shard.put(0.0, *"abcde", size=PAYLOAD_LIMIT // 3)
    shard.run(until=10.0)
    assert shard.batches == [["1", "2"], ["3", "4"], ["5"]]


def test_a_batch_may_fill_the_payload_to_the_last_byte() -> None:
    """The limit itself is allowed."""
    envelope, comma = len('{"Records": []}'), len(", ")
    size = (PAYLOAD_LIMIT - envelope) // 3 - comma
    shard = VirtualShard(Config())
    shard.put(0.0, "a", "b", size=size)
    shard.put(0.0, "c", size=PAYLOAD_LIMIT - envelope - 2 * (size + comma) - comma)
    shard.put(0.0, "d", size=1)
    shard.run(until=10.0)
    assert shard.batches == [["1", "2", "3"], ["4"]]


def test_a_record_beyond_the_payload_limit_is_sent_alone() -> None:
    """A record that fits no event does not take others along."""
    shard = VirtualShard(Config())
    shard.put(0.0, "a")
    shard.put(0.0, "huge", size=PAYLOAD_LIMIT + 1)
    shard.put(0.0, "c")
    shard.run(until=10.0)
    assert shard.batches == [["1"], ["2"], ["3"]]


def test_the_next_window_opens_when_the_invocation_ends() -> None:
    """Records that came during an invocation wait for a window that begins with its end."""
    shard = VirtualShard(Config(window=10.0), function=lambda _: (5.0, Responded(None)))
    shard.put(1.0, "a")
    shard.put(12.0, "b")
    shard.run(until=60.0)
    assert shard.times == [10.0, 25.0]


@pytest.mark.parametrize(
    ("choice", "sent"), [(EmptyWindow.REOPENS_AT_ONCE, 30.0), (EmptyWindow.OPENS_WITH_RECORD, 35.0)]
)
def test_unknown_when_the_window_after_an_empty_one_opens(choice: EmptyWindow, sent: float) -> None:
    """A record that comes at second 25 of ten-second windows goes out at 30 or at 35."""
    shard = VirtualShard(Config(window=10.0, unknowns=Unknowns(empty_window=choice)))
    shard.put(25.0, "a")
    shard.run(until=60.0)
    assert shard.times == [sent]


@pytest.mark.parametrize(
    ("choice", "batches"),
    [(FilteredRecords.TAKE_NO_ROOM, [["1", "3"], ["5"]]), (FilteredRecords.TAKE_ROOM, [["1"], ["3"], ["5"]])],
)
def test_unknown_whether_filtered_records_take_room(choice: FilteredRecords, batches: list[list[str]]) -> None:
    """With batches of two and every other record filtered out, a batch holds two records or one."""
    shard = VirtualShard(Config(batch_size=2, filters=only("yes"), unknowns=Unknowns(filtered_records=choice)))
    shard.put(0.0, *"abcde", events=[kinesis_event(word) for word in ("yes", "no", "yes", "no", "yes")])
    shard.run(until=1.0)
    assert shard.batches == batches
    assert shard.filtered == ["2", "4"]


def test_an_idle_shard_is_read_once_per_poll_interval() -> None:
    """AWS reads an idle Kinesis shard once a second."""
    shard = VirtualShard(Config(poll_interval=1.0))
    shard.run(until=3.5)
    assert shard.reads == [0.0, 1.0, 2.0, 3.0]


def test_a_backlog_is_read_without_pauses() -> None:
    """While there is more, reading does not wait for the poll interval."""
    shard = VirtualShard(Config(batch_size=10, poll_interval=1.0))
    shard.put(0.0, *("k" * 1000))
    shard.run(until=0.0)
    assert len(shard.delivered) == 1000


def test_reading_ahead_is_bounded() -> None:
    """A function that never ends makes the mapping hold a few batches, not the whole stream."""
    shard = VirtualShard(Config(batch_size=100), function=lambda _: (1e9, Responded(None)))
    shard.put(0.0, *("k" * 5000))
    shard.run(until=100.0)
    assert sum(len(lane.waiting) for lane in shard.state.lanes) <= 200
    assert len(shard.reads) <= 3


def test_reading_goes_on_after_a_failed_read() -> None:
    """A stream that does not answer for a while costs time, no records."""
    shard = VirtualShard(Config(poll_interval=1.0))
    shard.unreadable_until = 5.5
    shard.put(0.0, "a")
    shard.run(until=10.0)
    assert shard.times == [6.0]
