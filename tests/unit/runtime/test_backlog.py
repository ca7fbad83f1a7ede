"""What has gathered while the dependency was away: how soon it is worked off, at which rate, and who waits for it.

The consumer is the real one, and so are breaker, journal and mapping; time is virtual (see stream_model.py).
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from constructs_lib.runtime import DependencyUnavailable
from constructs_lib.runtime.circuit_breaker import LOOK_AGAIN_SECONDS
from lambdas.shared.notifier import Notifier
from tests.unit.lambdas.alerting import HERE, MemoryAlerts, MemoryProvider, MemoryTasks, command, record, row
from tests.unit.runtime.stream_model import Model, Sent, Shape

SHAPE = Shape(batch_size=100, parallelization=2, concurrency=10, seconds=0.1)
AT_ONCE = SHAPE.parallelization * SHAPE.concurrency
PER_SECOND = AT_ONCE / SHAPE.seconds
# A probe has to be due and won, but first the mapping has to try again what was handed back; here it pauses for a minute.
BACK_WITHIN = 70.0
# All have to hear of the probe's answer.
HEARD_WITHIN = 5.0
# A shard's lanes share what is read by its keys, and wait for each other's end.
UNEVEN = 1.05
# What a command takes whose alert's message shows all already: a look at the table.
LOOK_SECONDS = 0.005


class Backlog(Model):
    """A dependency whose calls are counted, and which may ask to be left alone."""

    def __init__(self) -> None:
        super().__init__(SHAPE)
        self.begun: list[float] = []
        self.at_once = self.most_at_once = 0
        self.left_alone_until = 0.0
        self.settled_at = 0.0
        self.delivered = self._note

    def keys(self, number: int) -> Iterator[str]:
        return (f"{'abcd'[index % 4]}{index}" for index in range(number))

    def call_for(self, sent: Sent) -> None:
        """What a call does at its end."""
        if self.clock.now < self.left_alone_until:
            raise DependencyUnavailable("429", retry_after=self.left_alone_until - self.clock.now)
        super()._effect(sent)

    def run_until_settled(self, *, at_most: float) -> float:
        """Let time pass until everything is delivered; return when the first call was made."""
        calls, began = len(self.begun), self.clock.now
        while self.still_open and self.clock.now < began + at_most:
            self.run(10)
        assert not self.still_open
        assert not self.broken
        assert not self.quarantine.cases
        return self.begun[calls]

    def _begin(self, sent: Sent, *, blind: bool = False) -> None:
        super()._begin(sent, blind=blind)
        self.begun.append(self.clock.now)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)

    def _effect(self, sent: Sent) -> None:
        self.at_once -= 1
        self.call_for(sent)

    def _note(self, _sent: Sent) -> None:
        self.settled_at = self.clock.now


@pytest.mark.requirement("ISO-15")
def test_a_backlog_is_worked_off_at_the_bound_and_no_faster() -> None:
    """Fifty thousand records of many keys take backlog / rate, and the dependency never sees more than in calm."""
    model = Backlog()
    model.down = True
    for _ in range(5):
        for key in model.keys(10_000):
            model.put(key)
    model.run(600)
    assert len(model.begun) <= 2 * AT_ONCE + 600 / 5, "an outage costs some calls and the probes"
    model.down = False
    back_at = model.clock.now
    first = model.run_until_settled(at_most=1_000)
    assert first <= back_at + BACK_WITHIN
    assert model.settled_at <= first + HEARD_WITHIN + UNEVEN * len(model.sent) / PER_SECOND
    assert model.most_at_once == AT_ONCE
    most_in_a_second = int(PER_SECOND + AT_ONCE)
    assert all(
        later - earlier >= 1 for earlier, later in zip(model.begun, model.begun[most_in_a_second:], strict=False)
    )


@pytest.mark.requirement("ISO-15")
def test_a_dependency_that_asks_for_a_pause_has_it_in_the_middle_of_a_backlog() -> None:
    """It is back and has too much: until its Retry-After is over nobody calls, then all goes on."""
    model = Backlog()
    model.down = True
    for key in model.keys(4_000):
        model.put(key)
    model.run(60)
    model.down = False
    while len(model.still_open) > 3_000:
        model.run(1)
    asked_at = model.clock.now
    model.left_alone_until = asked_at + 60
    before = len(model.begun)
    left = len(model.still_open)
    model.run_until_settled(at_most=600)
    calls = [begun for begun in model.begun[before:] if begun < model.left_alone_until]
    assert len(calls) <= 3 * AT_ONCE
    assert all(begun <= asked_at + LOOK_AGAIN_SECONDS + 1 for begun in calls)
    assert model.settled_at <= model.left_alone_until + BACK_WITHIN + UNEVEN * left / PER_SECOND


class Notified(Backlog):
    """Commands about alerts, carried out by the alerting system's notifier."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts = MemoryAlerts()
        self.provider = MemoryProvider(can_be_asked=False)
        self.notifier = Notifier(provider=self.provider, alerts=self.alerts, tasks=MemoryTasks(), region=HERE)
        self.known_at: dict[str, float] = {}

    def ask_for(self, key: str, version: int) -> None:
        """Have an event join the alert, and a command sent that asks for it to be shown."""
        self.alerts.put(row(alert_id=key, tenant=f"tenant-{key[0]}", count=version))
        self.put(key)

    def call_for(self, sent: Sent) -> None:
        self.provider.failure = DependencyUnavailable("503") if self.down else None
        wanted = command(alert_id=sent.key, min_version=1 + self.order[sent.key].index(sent))
        self.notifier.deliver(record(wanted.to_body(), tenant=sent.tenant))
        self.known_at.setdefault(sent.key, self.clock.now)
        super().call_for(sent)

    def _begin(self, sent: Sent, *, blind: bool = False) -> None:
        super()._begin(sent, blind=blind)
        alert = self.alerts.load(sent.key)
        is_there = alert and alert.delivery and alert.delivery.version == alert.version
        self.shape = replace(self.shape, seconds=LOOK_SECONDS if is_there else SHAPE.seconds)


@pytest.mark.requirement("ISO-15", "PRC-06")
def test_a_new_alert_waits_for_a_call_per_alert_and_not_per_command() -> None:
    """Fifty events each of two hundred alerts, in a storm: a message each, and the new alert's soon after them."""
    alerts, events = 200, 50
    model = Notified()
    model.down = True
    for version in range(1, events + 1):
        for key in model.keys(alerts):
            model.ask_for(key, version)
    model.run(60)
    before = len(model.provider.calls)
    model.down = False
    model.ask_for("new1", 1)
    first = model.run_until_settled(at_most=600)
    assert sorted(model.provider.shown.values()) == [1, *[events] * alerts], "each message shows all events"
    # Whether a post that failed in the outage got through is asked before it is made again.
    assert len(model.provider.calls) - before <= alerts + 1 + before
    waited = model.known_at["new1"] - first
    in_vain = alerts * events * LOOK_SECONDS / AT_ONCE
    assert waited <= HEARD_WITHIN + UNEVEN * (alerts / PER_SECOND + in_vain)
    assert waited < alerts * events / PER_SECOND / 5


@pytest.mark.requirement("ISO-15")
def test_shards_do_not_wait_for_each_others_backlog() -> None:
    """A new record waits for what is before it in its own shard; more shards are shorter waits."""
    model = Backlog()
    model.run(1)
    model.reshard()
    model.run(5)
    model.down = True
    for _ in range(2_000):
        model.put("a0")
        model.put("a2")
    model.run(60)
    model.down = False
    left = len(model.still_open)
    fresh = model.put("a1")
    while not fresh.delivered:
        model.run(0.5)
    assert left - len(model.still_open) < left / 10
