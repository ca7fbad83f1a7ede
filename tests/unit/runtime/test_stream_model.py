"""Promises that hold for every schedule of records, faults, crashes, batch boundaries and concurrency.

Hypothesis drives the model of stream_model.py, which complains by itself when order is broken or work is done twice
without cause; here stands what must be true of the accounts.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from constructs_lib.runtime.stream_ports import Gate, Go, Probe, Wait
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_model import Model, Nature, Shape

KEYS = [f"{tenant}{number}" for tenant in "abc" for number in range(4)]
TROUBLE: list[Nature] = ["slow", "late", "refused", "buggy", "flaky", "unanswered", "crashing", "hanging", "garbage"]
# What is nobody's fault but the dependency's or the machine's, and must therefore arrive.
DELIVERABLE = {"fine", "slow", "late", "flaky"}
QUARANTINED = {"refused": "permanent", "buggy": "unknown", "unanswered": "unavailable", "garbage": "unreadable"}

shapes = st.builds(
    Shape,
    batch_size=st.sampled_from([1, 3, 10, 100]),
    parallelization=st.sampled_from([1, 1, 2, 3]),
    concurrency=st.sampled_from([1, 2, 10]),
    seconds=st.sampled_from([0.0, 0.1, 2.0]),
    seed=st.integers(0, 999),
)


def settle(model: Model) -> None:
    """Let time pass without faults until everything is settled."""
    model.heal()
    for _ in range(12):
        if not model.still_open:
            break
        model.run(300)
    # Records that no other can be compared with wait, as in an outage or behind a broken handler: that ends here.
    for sent in model.still_open:
        if sent.nature in {"unanswered", "buggy", "crashing", "hanging"}:
            sent.nature = "fine"
    for _ in range(12):
        if not model.still_open:
            break
        model.run(300)
    model.run(120)


def check_settled(model: Model) -> None:
    """Everything is where it belongs, exactly once, and nothing is left behind."""
    assert not model.broken
    assert not model.still_open, [(sent.id, sent.nature) for sent in model.still_open]
    quarantined = model.quarantined
    for sent in model.sent.values():
        if sent.nature in DELIVERABLE and sent.crashes < 3:
            assert sent not in quarantined, f"{sent.id} ({sent.nature}) was given up without cause"
        if sent.nature in QUARANTINED:
            assert sent in quarantined
            assert not sent.delivered
    kinds = {model.sent[case.arrival.name].id: case.kind for case in model.quarantine.cases}
    for sent in model.sent.values():
        if sent.nature in QUARANTINED:
            assert kinds[sent.id] == QUARANTINED[sent.nature]
        if sent.nature in {"crashing", "hanging"}:
            assert kinds[sent.id] == "crashed"
            assert sent.begun <= 30, "a crash is not repeated without bound"
    assert not model.parked
    # What cannot be cleared is about records that do not come again, and expires.
    assert model.store_failed or not model.journal.pages, "a batch that ended cleanly leaves no page"


class Schedule(RuleBasedStateMachine):
    """A schedule of what senders, the dependency, machines and operators do."""

    @initialize(shape=shapes)
    def begin(self, shape: Shape) -> None:
        self.model = Model(shape)

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12))
    def send(self, keys: list[str]) -> None:
        """Records arrive."""
        for key in keys:
            self.model.put(key)

    @rule(key=st.sampled_from(KEYS), nature=st.sampled_from(TROUBLE))
    def send_trouble(self, key: str, nature: Nature) -> None:
        """A record arrives that is slow, broken or worse, and one of its key behind it."""
        self.model.put(key, nature)
        self.model.put(key)

    @rule(seconds=st.sampled_from([0.3, 1.0, 5.0, 17.0, 40.0, 200.0, 3_600.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.model.run(seconds)

    @rule()
    def go_down(self) -> None:
        """The dependency stops answering."""
        self.model.down = True

    @rule()
    def come_back(self) -> None:
        """The dependency answers again."""
        self.model.down = False

    @rule(tenant=st.sampled_from(["tenant-a", "tenant-b"]))
    def throttle(self, tenant: str) -> None:
        """The dependency has enough of one tenant."""
        self.model.away.add(tenant)

    @rule()
    def throttle_nobody(self) -> None:
        """The dependency serves all tenants again."""
        self.model.away.clear()

    @rule(steps=st.integers(0, 40))
    def crash(self, steps: int) -> None:
        """A function ends so many steps later, between any two calls."""
        self.model.crash_in = steps

    @rule(seconds=st.sampled_from([1.0, 20.0, 100.0]))
    def lose_the_store(self, seconds: float) -> None:
        """The state table does not answer for a while."""
        for batch in self.model.under_way:
            for sent in batch:
                sent.may_come_again = True
        self.model.store_down = True
        self.model.run(seconds)
        for batch in self.model.under_way:
            for sent in batch:
                sent.may_come_again = True
        self.model.store_down = False

    @rule()
    @precondition(lambda self: len(self.model.shards) < 5)
    def reshard(self) -> None:
        """The stream is split."""
        self.model.reshard()

    @invariant()
    def every_record_is_somewhere(self) -> None:
        """Accepted is delivered, quarantined or waiting: in the stream behind the checkpoint, or parked."""
        if hasattr(self, "model"):
            check_accounts(self.model)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            settle(self.model)
            check_settled(self.model)


class PatientGate(OpenGate):
    """A gate that knows when the dependency is down, and looks every ten minutes: for outages of days."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model

    def ask(self, now: float, *, first: bool = True) -> Go | Probe | Wait:
        self.is_open = self._model.down
        return Wait(now + 600) if self._model.down else Go()


@pytest.mark.requirement("ISO-05")
@pytest.mark.parametrize(
    ("seconds", "gate"),
    [(60, None), (3_600, None), (86_400, PatientGate), (5 * 86_400, PatientGate)],
    ids=["minute", "hour", "day", "5 days"],
)
def test_outage_of_any_length_delays_and_loses_nothing(seconds: int, gate: Callable[[Model], Gate] | None) -> None:
    """What was accepted before, during and after is delivered, once each, in order per key."""
    shape = Shape(parallelization=2, timeout_seconds=900, every=60) if gate else Shape(parallelization=2)
    model = Model(shape, gate=gate)
    order: list[str] = []
    model.delivered = lambda sent: order.append(sent.id)
    model.run(5)
    for stage in range(3):
        model.down = stage == 1
        for key in KEYS * 2:
            model.put(key)
        model.run(seconds if stage == 1 else 1_800)
    assert sorted(order) == sorted(sent.id for sent in model.sent.values())
    for sent in model.order.values():
        assert [each for each in order if each in {one.id for one in sent}] == [one.id for one in sent]
    assert not model.broken
    assert not model.quarantine.cases
    assert not model.journal.pages


@pytest.mark.requirement("ISO-06")
def test_what_would_expire_in_an_outage_is_exported_first() -> None:
    """An outage longer than records may wait: all are in the quarantine with their payload, none was dropped."""
    model = Model(Shape(timeout_seconds=900, every=60), gate=PatientGate)
    model.down = True
    for key in KEYS:
        model.put(key)
    model.run(7 * 86_400)
    assert {case.kind for case in model.quarantine.cases} == {"expired"}
    assert len(model.quarantine.cases) == len(KEYS)
    assert all(case.arrival.payload for case in model.quarantine.cases)
    assert not model.shards[0].discards, "Lambda had nothing to give up"
    assert not model.broken


@pytest.mark.requirement("ISO-07")
def test_poison_records_of_every_kind_cost_themselves() -> None:
    """Each is in quarantine under its own kind; every record beside and behind it is delivered."""
    model = Model(Shape())
    poison: list[Nature] = ["refused", "buggy", "unanswered", "crashing", "hanging", "garbage"]
    for key, nature in zip(KEYS, poison, strict=False):
        model.put(key, nature)
    for key in KEYS:
        model.put(key)
    settle(model)
    check_settled(model)
    assert {case.kind for case in model.quarantine.cases} == {
        "permanent",
        "unknown",
        "unavailable",
        "crashed",
        "unreadable",
    }


def check_accounts(model: Model) -> None:
    """No record has left the stream that is neither delivered nor in quarantine nor parked."""
    assert not model.broken
    waiting = model.parked
    for shard in model.shards:
        checkpoint = int(shard.state.checkpoint or 0)
        for sequence in range(1, checkpoint + 1):
            name = shard.name_of(sequence)
            assert model.is_settled(model.sent[name]) or name in waiting, f"{name} is lost"


TestSchedule = Schedule.TestCase
TestSchedule.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
TestSchedule = pytest.mark.requirement("ISO-05", "ISO-06", "ISO-07", "ISO-16")(TestSchedule)
