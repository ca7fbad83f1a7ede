"""What one invocation leaves to the next, and whom a crash is blamed on."""

from itertools import pairwise

import pytest

from constructs_lib.runtime.journal import Page
from constructs_lib.runtime.records import stream_arrivals
from constructs_lib.runtime.stream_ports import Outcome
from tests.unit.runtime.events import ARRIVED, kinesis_event
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_batches import Consumer, batch, of, raising, records_from
from tests.unit.runtime.stream_world import (
    MemoryJournal,
)


def test_what_is_done_behind_a_record_that_waits_is_not_done_again() -> None:
    """Handed back from the first open record, a batch goes on without those behind it that are settled."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 12.6, "m-2": 12.6})
    data = of("a", "a", "b", "c")
    assert consumer.consume(*data) == ["2"]
    assert consumer.handled == ["m-3", "m-4", "m-1"]
    assert consumer.invoke(records_from(data, 2)) == []
    assert consumer.handled == ["m-3", "m-4", "m-1", "m-2"]
    assert not consumer.journal.pages


def test_what_is_done_is_handed_back_only_once_the_next_invocation_will_look_for_it() -> None:
    """Young batches are not looked up, so a record is handed back no earlier than it is suspect."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 13.0, "m-2": 13.0})
    assert consumer.consume(*of("a", "a", "b")) == ["2"]
    assert consumer.clock.now - ARRIVED >= 15 + 1
    [page] = consumer.journal.pages
    assert len(page.settled) == 1


def test_old_batch_that_ends_cleanly_costs_two_writes_whatever_its_size() -> None:
    """It is noted before work and cleared after it."""
    consumer = Consumer(concurrency=100)
    consumer.clock.now = ARRIVED + 100
    assert consumer.consume(*batch(50)) == []
    assert (consumer.journal.reads, consumer.journal.writes, consumer.journal.pages) == (1, 2, [])


def test_journal_that_cannot_be_read_holds_an_old_batch_whole() -> None:
    """What may have been done already is not begun without looking."""

    def broken() -> None:
        raise ConnectionError("no route")

    consumer = Consumer(journal=MemoryJournal(step=broken))
    consumer.clock.now = ARRIVED + 100
    assert consumer.consume(*batch(3)) == ["1"]
    assert not consumer.handled
    assert consumer.watch.published == {"RecordsHeld": 3}


def test_journal_that_cannot_be_written_holds_an_old_batch_whole() -> None:
    """Nothing of an old batch begins that a crash could hide."""
    journal = MemoryJournal()
    consumer = Consumer(journal=journal)
    consumer.clock.now = ARRIVED + 100

    def refuse(shard: str, page: object) -> None:
        raise ConnectionError("no route")

    journal.write = refuse  # type: ignore[method-assign]
    assert consumer.consume(*batch(3)) == ["1"]
    assert not consumer.handled


@pytest.mark.requirement("ISO-07")
def test_record_that_hangs_is_found_at_once_and_given_up_after_three_times() -> None:
    """A call that runs into the end of the invocation is noted before Lambda ends the function."""
    consumer = Consumer(concurrency=100, seconds={"m-2": 10**6})
    data = of("a", "b", "b", "c")
    answers = [consumer.consume(*data) for _ in range(4)]
    assert answers == [None, None, None, []]
    assert consumer.handled == ["m-1", "m-4", "m-3"], (
        "the others are done once, and the record behind it when it is kept"
    )
    assert [case.kind for case in consumer.quarantine.cases] == ["crashed"]
    assert Outcome.UNAVAILABLE in [outcome for outcome, _, _ in consumer.gate.told], "the breaker hears of it"
    assert not consumer.journal.pages


def test_record_that_comes_back_late_is_not_blamed_for_the_one_that_hangs() -> None:
    """What ends after the overrun was noted is settled, though the function ends for another record."""
    consumer = Consumer(concurrency=100, seconds={"m-1": 10**6, "m-2": 28.0})
    assert [consumer.consume(*batch(2)) for _ in range(4)] == [None, None, None, []]
    assert consumer.handled == ["m-2"]
    assert [case.arrival.position for case in consumer.quarantine.cases] == ["1"]


def test_handler_that_ends_the_function_whatever_the_record_gives_up_no_more() -> None:
    """After three keys in a row the rest waits; once records come through again, all is well."""
    consumer = Consumer(seconds={f"m-{number}": 10**6 for number in range(1, 7)})
    data, start = batch(6), 1
    for _ in range(40):
        answer = consumer.invoke(records_from(data, start))
        start = int(answer[0]) if answer else start
    assert [case.arrival.position for case in consumer.quarantine.cases] == ["1", "2", "3"]
    assert consumer.watch.published["HandlerFailing"] > 10

    consumer.seconds.clear()
    assert consumer.invoke(records_from(data, start)) == []
    assert consumer.handled == ["m-4", "m-5", "m-6"]
    assert not any(consumer.journal.crashed.values())


def test_page_of_an_old_batch_is_replaced_when_it_is_handed_back() -> None:
    """One batch leaves one page, whichever record it begins with by then."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 12.6, "m-2": 12.6})
    consumer.clock.now = ARRIVED + 100
    data = of("a", "a", "b")
    assert consumer.consume(*data) == ["2"]
    assert [page.first.rpartition("-")[2] for page in consumer.journal.pages] == ["2"]
    assert consumer.invoke(records_from(data, 2)) == []
    assert not consumer.journal.pages


def test_suspect_that_waits_is_not_blamed_for_a_crash_meanwhile() -> None:
    """Between its attempts the journal says that it is not at work."""
    consumer = Consumer({"m-1": raising(OSError("reset"), None)}, gate=OpenGate(retry_pauses=[5.0, 0.0]))
    consumer.clock.now = ARRIVED + 100
    [name] = [each.name for each in stream_arrivals(kinesis_event(batch(1)))]
    consumer.journal.write("shardId-000000000006", Page(first=name, through=name))
    seen: list[tuple[bytes, ...]] = []
    consumer.clock.at(ARRIVED + 103, lambda: seen.extend(page.begun for page in consumer.journal.pages))
    assert consumer.consume(*batch(1)) == []
    assert seen == [()]


def test_suspects_that_there_was_no_time_for_stay_suspects() -> None:
    """The next invocation runs them alone too, and not all at once."""
    consumer = Consumer(concurrency=100, seconds={f"m-{number}": 12.0 for number in range(1, 5)})
    consumer.clock.now = ARRIVED + 100
    data = batch(4)
    first, last = (each.name for each in stream_arrivals(kinesis_event(data)) if each.position in {"1", "4"})
    consumer.journal.write("shardId-000000000006", Page(first=first, through=last))
    assert consumer.consume(*data) == ["3"]
    assert [page.through for page in consumer.journal.pages] == [last]
    assert consumer.invoke(records_from(data, 3)) == []
    begun = [time for time, _ in consumer.begun]
    assert all(after - before >= 12 for before, after in pairwise(begun)), "never two at once"


def test_call_that_ends_after_all_is_not_counted_against_its_record() -> None:
    """A call that ran into the reserve and came back in time leaves nothing behind."""
    consumer = Consumer(seconds={"m-1": 27.0})
    assert consumer.consume(*batch(1)) == []
    assert not consumer.journal.pages
    assert len(consumer.gate.told) == 1
