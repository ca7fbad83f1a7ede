"""How a batch becomes work: copies, mismatches, the order of FIFO queues, effects that break."""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.runtime import PermanentFailure, queue_consumer
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.outcomes import (
    Delivery,
    Done,
    Failed,
    Held,
    NotBegun,
    Outcome,
    Refused,
    Returned,
    Work,
)
from tests.unit.runtime.events import ARRIVED, envelope, sqs_event
from tests.unit.runtime.fakes import FakeContext, MemoryDeadLetters, MemoryOwnQueue, RecordingWatch, queue_ports


@dataclass
class Scripted:
    """An effect whose outcomes are given by message id; all others are done."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        self.asked.append([delivery.record.id for delivery in deliveries])
        return {delivery.arrival.position: self.outcomes.get(delivery.record.id, Done()) for delivery in deliveries}


@dataclass
class World:
    effect: Any = field(default_factory=Scripted)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    queue: MemoryOwnQueue = field(default_factory=MemoryOwnQueue)
    watch: RecordingWatch = field(default_factory=RecordingWatch)

    def consume(self, bodies: Sequence[str], **event: Any) -> list[str]:
        ports = queue_ports(
            engine=self.effect, dead_letters=self.letters, queue=self.queue, watch=self.watch, now=lambda: ARRIVED
        )
        response: BatchResponse = queue_consumer(print, load=lambda: ports)(sqs_event(bodies, **event), FakeContext())
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def messages(*ids: str) -> list[str]:
    return [envelope(name).to_json() for name in ids]


def test_copies_in_one_batch_are_settled_once_and_share_the_outcome() -> None:
    """The effect sees each id once; the copies of a message that is done are done, and counted as repeated."""
    world = World()
    assert world.consume(messages("a", "b", "a", "a")) == []
    assert world.effect.asked == [["a", "b"]]
    assert world.watch.published == {"MessagesDone": 4, "MessagesRepeated": 2}


@pytest.mark.parametrize(
    ("outcome", "left", "letters"),
    [
        (Held("away"), ["1", "2"], 0),
        (Failed("broken"), ["1", "2"], 0),
        (NotBegun(), ["1", "2"], 0),
        (Refused("no"), [], 2),
    ],
)
def test_copies_of_what_is_not_done_are_not_done_either(outcome: Outcome, left: list[str], letters: int) -> None:
    """None of them is acknowledged unless its place is taken."""
    world = World(Scripted({"a": outcome}))
    assert world.consume(messages("a", "a")) == left
    assert len(world.letters.letters) == letters


@pytest.mark.requirement("IDM-06")
def test_a_copy_with_another_payload_is_refused_by_its_code() -> None:
    """It is no copy: it goes to the dead letters, is counted, and the first goes its own way."""
    world = World()
    other = envelope("a", body={"text": "other"}).to_json()
    assert world.consume([*messages("a"), other, *messages("a")]) == []
    [letter] = world.letters.letters
    assert (letter.arrival.position, letter.code) == ("2", "IDM_PAYLOAD_MISMATCH")
    assert "the id a is known with another payload" in letter.reason
    assert "other" not in letter.reason.replace("another", "")
    assert world.watch.published["PayloadMismatches"] == 1
    [line] = [line for line in world.watch.lines if line.level == "error"]
    assert line.fields["code"] == "IDM_PAYLOAD_MISMATCH"


@pytest.mark.parametrize("outcome", [Held("away"), Failed("broken"), NotBegun(), Refused("no")])
def test_whose_payload_an_id_belongs_to_is_open_until_one_is_done(outcome: Outcome) -> None:
    """The other waits: were it refused now and the first given up later, neither would have had its effect."""
    world = World(Scripted({"a": outcome}))
    assert "2" in world.consume([*messages("a"), envelope("a", body={}).to_json()])
    assert "PayloadMismatches" not in world.watch.published


@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize("fields", [{"key": "k"}, {"tenant": "t"}, {"body": {}}])
def test_body_key_and_tenant_make_the_payload(fields: dict[str, Any]) -> None:
    """What only travels with it, a time or a correlation id, does not."""
    world = World()
    copy = envelope("a", created="2026-11-22T00:00:00Z", correlation_id="x").to_json()
    world.consume([*messages("a"), copy, envelope("a", **fields).to_json()])
    assert [letter.arrival.position for letter in world.letters.letters] == ["3"]


def test_notification_delivered_again_is_a_copy_though_its_signature_is_new() -> None:
    """SNS signs what it delivers, when it delivers it."""
    first = {"Type": "Notification", "MessageId": "n", "Message": "x", "Signature": "1", "SigningCertURL": "u"}
    world = World()
    assert world.consume([json.dumps(first), json.dumps(first | {"Signature": "2", "SigningCertURL": "v"})]) == []
    assert not world.letters.letters


@pytest.mark.requirement("IDM-06")
def test_a_mismatch_that_the_effect_finds_is_refused_the_same_way() -> None:
    """The store knows of messages of earlier batches."""
    world = World(Scripted({"a": Refused("known with another payload", "IDM_PAYLOAD_MISMATCH")}))
    assert world.consume(messages("a")) == []
    assert world.letters.letters[0].code == "IDM_PAYLOAD_MISMATCH"
    assert world.watch.published == {"PayloadMismatches": 1, "MessagesDeadLettered": 1}


def test_groups_of_a_fifo_queue_go_on_message_by_message() -> None:
    """The second of each group is begun after the first of each group is done."""
    world = World()
    assert world.consume(messages("a1", "a2", "b1", "a3", "b2"), groups=["a", "a", "b", "a", "b"], fifo=True) == []
    assert world.effect.asked == [["a1", "b1"], ["a2", "b2"], ["a3"]]


@pytest.mark.parametrize("outcome", [Held("away"), Failed("broken"), NotBegun()])
def test_what_follows_a_message_that_is_not_settled_is_handed_back(outcome: Outcome) -> None:
    """It is not begun and shows up at once, behind the one it waits for; other groups go on."""
    world = World(Scripted({"a2": outcome}))
    left = world.consume(messages("a1", "a2", "b1", "a3", "b2"), groups=["a", "a", "b", "a", "b"], fifo=True)
    assert left == ["2", "4"]
    assert world.effect.asked == [["a1", "b1"], ["a2", "b2"]]
    assert world.queue.hidden["4"] == 0


def test_a_dead_letter_of_a_fifo_queue_lets_its_group_go_on_once_it_is_kept() -> None:
    """Until then its group would overtake it."""
    world = World(Scripted({"a1": Refused("no")}))
    assert world.consume(messages("a1", "a2"), groups=["a", "a"], fifo=True) == []
    assert world.effect.asked == [["a1"], ["a2"]]
    world = World(Scripted({"a1": Refused("no")}), letters=MemoryDeadLetters(failures=1))
    assert world.consume(messages("a1", "a2"), groups=["a", "a"], fifo=True) == ["1", "2"]
    assert world.effect.asked == [["a1"]]


def test_unreadable_message_keeps_its_place_in_its_group() -> None:
    """It is buried before what follows it is begun."""
    world = World(letters=MemoryDeadLetters(failures=1))
    assert world.consume(["no json", *messages("a2")], groups=["a", "a"], fifo=True) == ["1", "2"]
    assert not world.effect.asked


def test_copies_in_several_groups_are_settled_once() -> None:
    """Also when the second comes rounds later."""
    world = World()
    assert world.consume(messages("x", "b1", "x"), groups=["a", "b", "b"], fifo=True) == []
    assert world.effect.asked == [["x", "b1"]]


class Broken:
    """An effect that raises."""

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        raise KeyError("bug")


class Forgetful:
    """An effect that settles nothing."""

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        return {}


@pytest.mark.parametrize("effect", [Broken(), Forgetful()])
def test_what_an_effect_does_not_settle_has_failed(effect: object) -> None:
    """Nothing is acknowledged for which nobody has answered; what cannot be read is buried all the same."""
    world = World(effect)
    assert world.consume([*messages("a", "b"), "no json"]) == ["1", "2"]
    assert world.watch.published == {"MessagesFailed": 2, "MessagesDeadLettered": 1}


def attempt(handler: Callable[[object], object]) -> object:
    """Attempt one message with *handler*; return what came of it."""
    found: list[object] = []

    class Probe:
        def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
            found.extend(work.attempt(delivery) for delivery in deliveries)
            return {}

    ports = queue_ports(engine=Probe(), now=lambda: ARRIVED)
    queue_consumer(handler, load=lambda: ports)(sqs_event(messages("a")), FakeContext())
    return found[0]


def test_what_a_handler_raises_says_what_becomes_of_the_message() -> None:
    """Nothing it raises reaches the batch."""

    def refuse(_record: object) -> None:
        raise PermanentFailure("password=hush")

    def fail(_record: object) -> None:
        raise ValueError("x")

    assert attempt(lambda record: 7) == Returned(7)
    assert attempt(refuse) == Refused("password=***")
    failure = attempt(fail)
    assert isinstance(failure, Failed)
    assert failure.reason == "ValueError: x"
    assert "test_queue_batch.py" in failure.at[-1]


@pytest.mark.parametrize("fifo", [False, True])
@pytest.mark.parametrize("order", ["past first", "past last"])
def test_a_replay_does_not_stand_for_the_message_itself(order: str, fifo: bool) -> None:
    """In one batch with it, it has less of an effect: an archive may be replayed while the message still waits."""
    past, now = envelope("a", replay=True), envelope("a")
    bodies = [past.to_json(), now.to_json()] if order == "past first" else [now.to_json(), past.to_json()]
    handled: list[bool] = []
    ports = queue_ports(now=lambda: ARRIVED)
    handle = queue_consumer(lambda record: handled.append(record.replay), load=lambda: ports)
    event = sqs_event(bodies, groups=["g", "g"], fifo=fifo)
    assert handle(event, FakeContext()) == {"batchItemFailures": []}
    assert False in handled


def test_a_message_too_deep_to_be_hashed_is_refused_alone() -> None:
    """Python reads a little deeper than it writes; however deep a message is, it concerns no other of its batch."""
    deepest = bisect_left(range(100_000), True, key=lambda depth: not readable("[" * depth + "]" * depth))
    for depth in range(deepest - 150, deepest):
        world = World()
        deep = f'{{"id":"deep","source":"s","detail-type":"t","detail":{"[" * depth}{"]" * depth}}}'
        assert world.consume([deep, *messages("good")]) == []
        assert "good" in world.effect.asked[0]


def readable(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return False
    return True
