"""Effects that the handler makes once itself, and what follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.runtime import Inherent, PermanentFailure, Send, queue_consumer
from constructs_lib.runtime.inherent import InherentEngine
from constructs_lib.runtime.outcomes import Outcome, Work
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import ARRIVED, envelope, sqs_event
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemorySends, RecordingWatch, queue_ports


@dataclass
class CountingSends(MemorySends):
    """Counts the messages of each call."""

    calls: list[int] = field(default_factory=list)

    def confirm(
        self, outcomes: Mapping[str, Outcome], sends: Mapping[str, Sequence[Send]], work: Work
    ) -> Mapping[str, Outcome]:
        self.calls.append(sum(len(follow) for follow in sends.values()))
        return super().confirm(outcomes, sends, work)


def consume(
    handler: Any, sends: MemorySends, *ids: str, time: FakeTime | None = None
) -> tuple[list[str], RecordingWatch]:
    watch = RecordingWatch()
    ports = queue_ports(engine=InherentEngine(sends), watch=watch, now=lambda: ARRIVED)
    handle = queue_consumer(handler, effect=Inherent(), load=lambda: ports)
    event = sqs_event([envelope(name).to_json() for name in ids])
    response = handle(event, FakeContext(time or FakeTime()))
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]], watch


def follow(record: Record) -> Send:
    return Send.stream("slow" if record.id == "b" else "quick", envelope(f"after-{record.id}"))


def test_what_follows_is_sent_together_after_all_handlers() -> None:
    """One call of the sender for the batch."""
    sends = CountingSends()
    left, watch = consume(follow, sends, "a", "b")
    assert (left, watch.published) == ([], {"MessagesDone": 2})
    assert sends.calls == [2]


def test_message_is_not_done_before_what_follows_from_it_is_confirmed() -> None:
    """A stream that takes nothing holds that message only, and its copy sends again."""
    sends = MemorySends(away={"slow"})
    left, watch = consume(follow, sends, "a", "b", "c")
    assert left == ["2"]
    assert [send.to for send in sends.sent] == ["quick", "quick"]
    assert watch.published == {"MessagesDone": 2, "MessagesHeld": 1}
    sends.away = set()
    assert consume(follow, sends, "b")[0] == []
    assert sends.sent[-1].to == "slow"


@pytest.mark.parametrize("nothing", [None, (), []])
def test_nothing_may_follow(nothing: object) -> None:
    """Then nothing is sent."""
    sends = MemorySends()
    assert consume(lambda _record: nothing, sends, "a")[0] == []
    assert not sends.sent


@pytest.mark.parametrize("value", ["sent", {"a": 1}, [1], iter(()), 0])
def test_what_is_not_understood_fails_the_message(value: object) -> None:
    """A handler that returns a result, or an item, chose the wrong effect; silence would lose it."""
    left, watch = consume(lambda _record: value, MemorySends(), "a")
    assert left == ["1"]
    [line] = [line for line in watch.lines if line.message == "message failed"]
    assert "returns None, a Send or several" in str(line.fields["error"])


def test_what_a_handler_refuses_or_has_no_time_for_sends_nothing() -> None:
    """Only what was handled has followers."""
    time, sends = FakeTime(), MemorySends()

    def handle(record: Record) -> Send:
        time.pass_by(10)
        if record.id == "a":
            raise PermanentFailure("no")
        return follow(record)

    left, _ = consume(handle, sends, "a", "b", "c", "d", time=time)
    assert left == ["3", "4"]
    assert [send.to for send in sends.sent] == ["slow"]


def test_messages_to_queues_carry_what_the_queue_needs() -> None:
    """Fair by tenant on a standard queue; on a FIFO queue in the order of their key, known by their id."""
    message = envelope("x", tenant="acme", key="order 7")
    standard = Send.queue("https://sqs/1/jobs", message)
    assert (standard.group, standard.deduplication_id, standard.payload) == ("acme", None, message.to_json())
    fifo = Send.queue("https://sqs/1/jobs.fifo", message)
    assert fifo.deduplication_id == "x"
    assert len(fifo.group) == 64, "SQS takes no spaces"
    assert Send.stream("alerts", message).group == "order 7"
