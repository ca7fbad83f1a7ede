"""Whatever befalls a queue and its consumer, no message is lost, and waiting makes no dead letter."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import envelope
from tests.unit.runtime.queue_model import DAY, Crash, deliver
from tests.unit.runtime.test_queue_crashes import World, id_of

KINDS = ("good", "held", "refused", "failing", "flaky")


class Story:
    """A run of a queue: messages of all kinds, copies and impostors of them, and trouble until *calm*."""

    def __init__(self, seed: int, *, trouble: float, fifo: bool = False, max_receive_count: int = 5) -> None:
        self.chance = random.Random(seed)
        self.trouble = trouble
        self.calm = False
        self.world = World(self.behave, fifo=fifo, max_receive_count=max_receive_count)
        self.world.sqs.watch = self.moment
        self.world.sqs.refuse = lambda _call, _entry: self._strikes(trouble / 2)
        self.sent: set[str] = set()
        # Few enough that they alone use up no message's deliveries: those are failures, not waiting.
        self.strikes_left = 2

    def behave(self, record: Record) -> None:
        kind = record.id.partition("-")[0]
        if self.chance.random() < self.trouble / 2:
            self.world.time.pass_by(10)
        if kind == "refused":
            raise PermanentFailure("never")
        if kind == "failing":
            raise OSError("reset")
        if self.calm:
            return
        if kind == "held":
            raise DependencyUnavailable("503", retry_after=self.chance.choice([None, 0.0, 60.0, 4_000.0]))
        if kind == "flaky" and self.chance.random() < 0.3:
            raise DependencyUnavailable("503")

    def moment(self, _name: str) -> None:
        if self._strikes(self.trouble / 10):
            raise Crash

    def _strikes(self, chance: float) -> bool:
        strikes = not self.calm and self.strikes_left > 0 and self.chance.random() < chance
        self.strikes_left -= strikes
        return strikes

    def send_some(self, number: int) -> None:
        for _ in range(number):
            kind = self.chance.choice(KINDS)
            name = f"{kind}-{self.chance.randrange(6)}"
            self.sent.add(name)
            self.world.queue.send(envelope(name).to_json(), group=self.chance.choice("ab"))

    def have_trouble(self, *, hours: float) -> None:
        """Let time pass with holds, failures, crashes, slowness and a store that is away now and then."""
        while self.world.time.seconds < hours * 3_600:
            self.world.effect.away = self.chance.random() < self.trouble
            if not deliver(self.world.queue, self.world.handle, order=self.chance):
                self.world.time.pass_by((self.world.queue.next_visible() or 60.0) + self.chance.random())

    def end(self) -> None:
        """Let all go well until the queue is empty."""
        self.calm = True
        self.world.effect.away = False
        self.world.pass_until_empty(order=self.chance)


@pytest.mark.requirement("IDM-10")
@given(seed=st.integers(0, 10**9), trouble=st.sampled_from([0.0, 0.3, 0.9]), number=st.integers(1, 15))
@settings(max_examples=60, deadline=None)
def test_no_message_is_lost_and_waiting_makes_no_dead_letter(seed: int, trouble: float, number: int) -> None:
    """Each has its effect exactly once, or is a dead letter for a reason of its own."""
    story = Story(seed, trouble=trouble)
    story.send_some(number)
    story.have_trouble(hours=12)
    story.end()
    world = story.world
    assert not world.queue.dropped
    dead = set(world.dead_ids())
    assert dead | set(world.effects) == story.sent
    assert {name.partition("-")[0] for name in dead} <= {"refused", "failing"}
    assert {name.partition("-")[0] for name in world.effects} <= {"good", "held", "flaky"}
    assert set(Counter(world.effects).values()) <= {1}


@pytest.mark.requirement("IDM-06")
@given(seed=st.integers(0, 10**9), trouble=st.sampled_from([0.0, 0.3]), copies=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_an_impostor_is_refused_once_and_changes_nothing(seed: int, trouble: float, copies: int) -> None:
    """Whatever comes first has the key; the other payload is a dead letter that says so, without another delivery."""
    story = Story(seed, trouble=trouble)
    bodies = [envelope("good-1").to_json()] * copies + [envelope("good-1", body={"text": "forged"}).to_json()]
    story.chance.shuffle(bodies)
    for body in bodies:
        story.world.queue.send(body)
    story.have_trouble(hours=1)
    story.end()
    world = story.world
    assert world.effects == ["good-1"]
    reasons = {message.attributes["code"]["StringValue"] for message in world.dead.messages}
    assert reasons == {"IDM_PAYLOAD_MISMATCH"}
    forged = ["forged" in message.body for message in world.dead.messages]
    assert all(forged) or not any(forged), "one of the two payloads has the key, for good"
    if not trouble:
        assert len(forged) == (1 if all(forged) else copies)


@given(seed=st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_a_group_keeps_its_order_whatever_holds_it(seed: int) -> None:
    """On a FIFO queue the first effects of a group come in the order of sending."""
    # Waiting uses up deliveries here: the queue has to allow many.
    story = Story(seed, trouble=0.3, fifo=True, max_receive_count=1_000)
    names = [f"flaky-{number}" for number in range(8)]
    for name in names:
        story.world.queue.send(envelope(name).to_json(), group="a")
    story.have_trouble(hours=2)
    story.end()
    assert story.world.effects == names
    assert not story.world.dead.messages


@given(seed=st.integers(0, 10**9), days=st.floats(0.0, 5.0))
@settings(max_examples=20, deadline=None)
def test_what_the_retention_ends_is_a_dead_letter_and_never_dropped(seed: int, days: float) -> None:
    """Held for longer than the queue keeps messages: somebody finds it, with since when in mind."""
    story = Story(seed, trouble=0.0)
    world = story.world
    world.effect.away = True
    world.queue.send(envelope("good-1").to_json())
    while world.time.seconds < days * DAY and world.queue.messages:
        if not deliver(world.queue, world.handle):
            world.time.pass_by((world.queue.next_visible() or 0.0) + story.chance.random())
    story.end()
    assert not world.queue.dropped
    if days < 3.9:
        assert world.effects == ["good-1"]
    else:
        assert [id_of(message.body) for message in world.dead.messages] == ["good-1"] or world.effects == ["good-1"]
