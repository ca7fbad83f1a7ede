from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.effects import Send
from constructs_lib.runtime.outcomes import Done, Failed, Held, Outcome, Refused, Work
from constructs_lib.runtime.sends import Sender
from tests.unit.runtime.events import envelope
from tests.unit.runtime.fakes import FakeContext, RecordingWatch
from tests.unit.runtime.item_world import QUEUE, STREAM, FakeDestinations, World, error, put, send

OTHER = QUEUE.replace("follow-ups", "others")
FIFO = QUEUE + ".fifo"


def _confirm(
    destinations: FakeDestinations, sends: Mapping[str, Sequence[Send]], outcomes: Mapping[str, Outcome] | None = None
) -> tuple[dict[str, Outcome], World]:
    world = World(destinations=destinations)
    context = FakeContext(world.time)
    work = Work(
        handler=lambda record: None,
        deadline=Deadline(context),
        context=context,
        watch=world.watch,
        now=lambda: world.time.seconds,
    )
    sender = Sender(sqs=lambda: _any(destinations), kinesis=lambda: _any(destinations), sleep=world.time.sleep)
    done: Mapping[str, Outcome] = outcomes or dict.fromkeys(sends, Done())
    return sender.confirm(done, sends, work), world


def _any(thing: object) -> Any:
    return thing


def test_a_record_is_done_when_all_its_messages_are_confirmed() -> None:
    destinations = FakeDestinations()
    outcomes, world = _confirm(destinations, {"1": [send("a"), put("b")], "2": [], "3": [send("c")]})
    assert outcomes == {"1": Done(), "2": Done(), "3": Done()}
    assert world.sent == {"a": 1, "b": 1, "c": 1}
    assert world.counts["SendsFailed"] == 0


def test_only_records_that_are_done_have_their_messages_sent() -> None:
    """Nothing may follow from what has not happened."""
    destinations = FakeDestinations()
    before: dict[str, Outcome] = {"1": Failed("no"), "2": Held("no"), "3": Refused("no"), "4": Done(repeated=True)}
    outcomes, world = _confirm(destinations, {name: [send(name)] for name in before}, before)
    assert (outcomes, dict(world.sent)) == (before, {"4": 1})


def test_messages_share_calls() -> None:
    """Ten to a call to a queue, five hundred to a stream."""
    destinations = FakeDestinations()
    _confirm(destinations, {str(index): [send(f"q{index}"), put(f"s{index}")] for index in range(1_001)})
    calls = sorted(destinations.calls)
    assert [size for to, size in calls if to == QUEUE] == [1] + [10] * 100
    assert [size for to, size in calls if to == STREAM] == [1, 500, 500]


def test_a_call_holds_no_more_bytes_than_the_service_takes() -> None:
    destinations = FakeDestinations()
    large = {str(index): [Send.queue(QUEUE, envelope(str(index), body={"x": "y" * 300_000}))] for index in range(7)}
    _confirm(destinations, large)
    assert sorted(size for _, size in destinations.calls) == [1, 3, 3]


def test_a_message_has_its_group_and_on_a_fifo_queue_its_id() -> None:
    entries: list[Mapping[str, str]] = []

    class Listening(FakeDestinations):
        def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
            entries.extend(Entries)
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    _confirm(Listening(), {"1": [send("a"), send("b", url=FIFO)]})
    names = ("MessageGroupId", "MessageDeduplicationId")
    assert sorted([entry.get(name) or "-" for name in names] for entry in entries) == [["acme", "-"], ["key-of-b", "b"]]


@pytest.mark.parametrize("code", ["InternalError", "ThrottlingException", "KmsThrottled"])
def test_a_message_that_is_refused_for_a_while_is_sent_again_alone(code: str) -> None:
    refusals = [code, code]
    destinations = FakeDestinations(
        refuse=lambda to, payload: refusals.pop() if refusals and '"b"' in payload else None
    )
    outcomes, world = _confirm(destinations, {name: [send(name)] for name in "abc"})
    assert (set(outcomes.values()), dict(world.sent)) == ({Done()}, {"a": 1, "b": 1, "c": 1})
    assert [size for _, size in destinations.calls] == [3, 1, 1]


@pytest.mark.parametrize("make", [send, put])
def test_a_destination_that_is_throttled_to_the_end_holds_its_messages_only(make: Any) -> None:
    """The record beside it, whose messages go elsewhere, is done."""
    throttled = QUEUE if make is send else STREAM
    destinations = FakeDestinations(
        refuse=lambda to, payload: "ProvisionedThroughputExceededException" if to == throttled else None
    )
    outcomes, world = _confirm(destinations, {"1": [make("a"), send("b", url=OTHER)], "2": [send("c", url=OTHER)]})
    held = outcomes["1"]
    assert isinstance(held, Held)
    assert f"{throttled.rpartition('/')[2]} is not confirmed: ProvisionedThroughputExceeded" in held.reason
    assert (outcomes["2"], dict(world.sent)) == (Done(), {"b": 1, "c": 1})
    assert world.counts["SendsFailed"] == 1


def test_a_call_that_fails_holds_the_records_of_its_messages_only() -> None:
    def fail(to: str, payloads: Sequence[str]) -> None:
        if to == OTHER:
            raise error("QueueDoesNotExist")
        if to == STREAM:
            raise ConnectTimeoutError(endpoint_url="https://kinesis.example")

    outcomes, world = _confirm(
        FakeDestinations(fail=fail), {"1": [send("a", url=OTHER)], "2": [put("b")], "3": [send("c")]}
    )
    assert [type(outcome) for outcome in outcomes.values()] == [Held, Held, Done]
    assert dict(world.sent) == {"c": 1}


def test_a_throttled_call_is_made_again() -> None:
    refusals = ["RequestThrottled", "AWS.SimpleQueueService.ThrottlingException"]

    def fail(to: str, payloads: Sequence[str]) -> None:
        if refusals:
            raise error(refusals.pop())

    outcomes, world = _confirm(FakeDestinations(fail=fail), {"1": [send("a")], "2": [send("b")]})
    assert (set(outcomes.values()), dict(world.sent)) == ({Done()}, {"a": 1, "b": 1})


def test_a_message_that_spoils_its_call_is_refused_alone() -> None:
    """Halves of the call are tried, down to the culprit, whose record becomes a dead letter."""

    def fail(to: str, payloads: Sequence[str]) -> None:
        if any('"id":"c"' in payload for payload in payloads):
            raise error("InvalidMessageContents")

    outcomes, world = _confirm(FakeDestinations(fail=fail), {name: [send(name)] for name in "abcdef"})
    refused = outcomes.pop("c")
    assert isinstance(refused, Refused)
    assert "a message to the queue follow-ups cannot be sent: " in refused.reason
    assert (set(outcomes.values()), sorted(world.sent)) == ({Done()}, ["a", "b", "d", "e", "f"])


def test_a_message_that_a_queue_refuses_for_good_makes_its_record_a_dead_letter() -> None:
    destinations = FakeDestinations(refuse=lambda to, payload: "InvalidMessageContents", sender_fault=True)
    outcomes, _ = _confirm(destinations, {"1": [send("a")]})
    assert isinstance(outcomes["1"], Refused)


def test_a_message_of_which_the_queue_says_nothing_is_not_confirmed() -> None:
    class Silent(FakeDestinations):
        def send_message_batch(self, **request: Any) -> dict[str, Any]:
            return {}

    outcomes, _ = _confirm(Silent(), {"1": [send("a")]})
    assert isinstance(outcomes["1"], Held)


def test_clients_are_made_when_the_first_message_needs_them() -> None:
    """A batch without messages costs no client, and each client is made once."""
    made: list[str] = []
    destinations = FakeDestinations()

    def sqs() -> Any:
        made.append("sqs")
        return destinations

    context = FakeContext()
    work = Work(handler=print, deadline=Deadline(context), context=context, watch=RecordingWatch(), now=lambda: 0.0)
    sender = Sender(sqs=sqs, kinesis=lambda: pytest.fail("no record goes to a stream"))
    sender.confirm({"1": Done()}, {"1": []}, work)
    assert made == []
    for _ in range(2):
        sender.confirm({"1": Done()}, {"1": [send("a")] * 30}, work)
    assert made == ["sqs"]


def test_a_destination_that_is_not_reached_is_not_tried_on_and_on() -> None:
    """Each call would take seconds; the other destination's messages go out."""

    def fail(to: str, payloads: Sequence[str]) -> None:
        if to == QUEUE:
            raise ConnectTimeoutError(endpoint_url="https://sqs.example")

    destinations = FakeDestinations(fail=fail)
    outcomes, world = _confirm(destinations, {str(index): [send("a")] for index in range(500)} | {"x": [put("b")]})
    assert isinstance(outcomes["0"], Held)
    assert (outcomes["x"], dict(world.sent)) == (Done(), {"b": 1})
    # As many as are made at the same time.
    assert sum(1 for to, _ in destinations.calls if to == QUEUE) <= 4
