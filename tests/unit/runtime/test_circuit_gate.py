"""The circuit breaker and the retry budget as the consumer meets them, one promise at a time."""

from typing import Any, cast

import pytest

from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.shared_breaker import SharedBreaker
from constructs_lib.runtime.stream_ports import Go, Outcome, Probe, Status, Wait
from tests.unit.runtime.fake_status_table import StatusClient, StatusTable, TrueTime
from tests.unit.runtime.fakes import RecordingWatch

ANSWERED, UNAVAILABLE, UNCLEAR = Outcome.ANSWERED, Outcome.UNAVAILABLE, Outcome.UNCLEAR


class Environment:
    """One execution environment whose clock is right."""

    def __init__(self, table: StatusTable, **settings: Any) -> None:
        self.time = table.time
        self.client = StatusClient(table)
        self.status = DynamoStatus(cast("Any", self.client), "state", clock=lambda: self.time.now)
        self.watch = RecordingWatch()
        self.gate = CircuitGate(BreakerSettings(**settings), store=self.status, watch=self.watch, jitter=lambda: 0.0)

    def ask(self, *, first: bool = True) -> Go | Probe | Wait:
        return self.gate.ask(self.time.now, first=first)

    def call(
        self,
        outcome: Outcome,
        *,
        key: str | None = None,
        times: int = 1,
        took: float = 0.0,
        retry_after: float | None = None,
    ) -> list[type]:
        """Make calls where they are allowed, all about *key* or each about its own; return what was answered to the question."""
        answers = [self.ask() for _ in range(times)]
        self.time.now += took
        for number, answer in enumerate(answers):
            if not isinstance(answer, Wait):
                self.gate.tell(
                    self.time.now,
                    outcome,
                    key=key or f"k{number}",
                    took=took,
                    retry_after=retry_after,
                    probe=isinstance(answer, Probe),
                )
        return [type(answer) for answer in answers]

    def begin_invocation(self) -> None:
        """Begin with what the store says."""
        self.gate.refresh(self.status.read(), self.time.now)

    def wait(self) -> float:
        """Wait until a call is allowed, as a consumer does; return how long that took."""
        began = self.time.now
        while isinstance(answer := self.ask(), Wait):
            self.time.now = answer.until
        self.gate.tell(self.time.now, UNCLEAR, key="k", took=0.0, probe=isinstance(answer, Probe))
        return self.time.now - began

    def gauges(self) -> dict[str, tuple[float, str]]:
        self.gate.report(self.time.now)
        return dict(self.watch.gauges)


@pytest.fixture
def table() -> StatusTable:
    return StatusTable(TrueTime())


@pytest.fixture
def environment(table: StatusTable) -> Environment:
    return Environment(table)


@pytest.mark.requirement("ISO-12")
def test_calls_stop_when_too_many_fail(environment: Environment, table: StatusTable) -> None:
    """At the failure rate and not below it, once there are enough calls to tell."""
    environment.call(ANSWERED, times=6)
    environment.call(UNAVAILABLE, times=5)
    assert environment.call(ANSWERED) == [Go]
    environment.call(UNAVAILABLE, times=2)
    assert environment.call(ANSWERED) == [Wait]
    assert environment.gate.is_open
    assert table.state == "open"


@pytest.mark.requirement("ISO-12")
def test_what_was_answered_before_does_not_hide_an_outage(environment: Environment, table: StatusTable) -> None:
    """However busy the last minute was, ten failures in a row stop the calls."""
    environment.call(ANSWERED, times=500)
    environment.call(UNAVAILABLE, times=10)
    assert environment.call(ANSWERED) == [Wait]
    assert table.state == "open"


@pytest.mark.requirement("ISO-12")
def test_where_little_is_called_a_run_of_failures_stops_the_calls(environment: Environment, table: StatusTable) -> None:
    """Five failures in a row over two seconds, though half of the newest twenty calls were answered."""
    environment.call(ANSWERED, times=20)
    for number in range(4):
        environment.call(UNAVAILABLE, key=f"k{number % 2}", took=0.5)
    assert table.state == "closed"
    environment.call(UNAVAILABLE, key="k0", took=0.5)
    assert table.state == "open"


@pytest.mark.parametrize("answer", [ANSWERED, UNCLEAR])
def test_a_run_ends_with_an_answer(environment: Environment, table: StatusTable, answer: Outcome) -> None:
    """So does it with a call that an answer may have been behind, if that is slow; others are no part of it."""
    environment.call(ANSWERED, times=20)
    environment.call(UNAVAILABLE, times=4, took=3.0)
    environment.call(answer)
    environment.call(UNAVAILABLE, times=1, took=0.1)
    assert table.state == ("closed" if answer is ANSWERED else "open")


def test_a_hiccup_is_no_outage(environment: Environment, table: StatusTable) -> None:
    """Calls that fail within two seconds, and are answered before and after them."""
    environment.call(ANSWERED, times=20)
    environment.call(UNAVAILABLE, times=9, took=1.9)
    environment.call(ANSWERED)
    assert table.state == "closed"


def test_two_seconds_begin_with_the_last_answer(environment: Environment, table: StatusTable) -> None:
    """However long calls took that fail in a row: others that began with them were answered a moment ago."""
    environment.call(ANSWERED, times=11, took=3.0)
    for number in range(9):
        environment.gate.tell(environment.time.now, UNAVAILABLE, key=f"k{number}", took=3.0)
    assert table.state == "closed"


def test_slow_answers_make_no_run(table: StatusTable) -> None:
    """They count in the failure rate; but somebody is there."""
    environment = Environment(table, slow_seconds=2.0)
    environment.call(ANSWERED, times=20)
    environment.call(ANSWERED, times=8, took=2.5)
    environment.call(UNAVAILABLE, took=3.0)
    assert table.state == "closed"


def test_one_payload_in_company_poses_as_no_outage(environment: Environment, table: StatusTable) -> None:
    """It fails again and again, but others of its invocation were answered since it failed first."""
    environment.begin_invocation()
    environment.call(UNAVAILABLE, key="poison")
    environment.call(ANSWERED, times=20)
    for _ in range(8):
        environment.call(UNAVAILABLE, key="poison", took=1.0)
    assert table.state == "closed"
    environment.call(UNAVAILABLE, key="other", took=1.0)
    assert table.state == "open"


def test_one_payload_alone_opens_the_circuit_once(table: StatusTable) -> None:
    """When another environment's probe was answered it was that payload's trouble, and stops nobody in this invocation."""
    one, other = Environment(table), Environment(table)
    one.call(ANSWERED, times=20)
    one.begin_invocation()
    for _ in range(5):
        one.call(UNAVAILABLE, key="poison", took=1.0)
    assert table.state == "open"
    table.time.now += 7
    assert other.call(ANSWERED) == [Probe]
    table.time.now += 2.1
    for _ in range(20):
        assert one.call(UNAVAILABLE, key="poison", took=1.0) == [Go]
    assert table.state == "closed"
    one.begin_invocation()
    for _ in range(5):
        one.call(UNAVAILABLE, key="poison", took=1.0)
    assert table.state == "open"


def test_few_calls_open_nothing(environment: Environment, table: StatusTable) -> None:
    """Four failures in a minute may be one record's trouble."""
    environment.call(UNAVAILABLE, times=4)
    environment.time.now += 61
    environment.call(UNAVAILABLE, times=4)
    assert table.writes == 0
    assert not environment.gate.is_open


def test_slow_calls_count_as_failed(table: StatusTable) -> None:
    """A dependency that hangs is no better than one that is down, whatever it says in the end."""
    environment = Environment(table, slow_seconds=2.0)
    environment.call(ANSWERED, times=5, took=1.9)
    assert table.state == "closed"
    for outcome in (ANSWERED, UNCLEAR, ANSWERED, UNCLEAR, ANSWERED):
        environment.call(outcome, took=2.0)
    assert table.state == "open"


def test_a_handlers_own_failures_say_nothing_about_the_dependency(environment: Environment, table: StatusTable) -> None:
    """They neither open the circuit nor hide that other calls fail, and no probe of that kind closes it."""
    environment.call(UNCLEAR, times=50)
    assert table.writes == 0
    environment.call(UNAVAILABLE, times=5)
    assert table.state == "open"
    environment.time.now += 7
    assert environment.call(UNCLEAR) == [Probe]
    assert table.state == "open"


@pytest.mark.requirement("ISO-12")
def test_a_failed_probe_costs_an_interval_and_an_answered_one_closes(
    environment: Environment, table: StatusTable
) -> None:
    """For everyone, and the old failures are forgotten."""
    environment.call(UNAVAILABLE, times=5)
    environment.wait()
    assert environment.wait() >= 5
    environment.time.now += 7
    assert environment.call(ANSWERED, times=3) == [Probe, Wait, Wait]
    assert table.state == "closed"
    assert environment.call(UNAVAILABLE, times=4) == [Go] * 4
    assert table.state == "closed"


def test_calls_from_before_the_transition_do_not_undo_it(environment: Environment, table: StatusTable) -> None:
    """Calls that hang through a whole outage and fail after it do not open the circuit again."""
    hanging = [environment.ask() for _ in range(10)]
    began = environment.time.now
    environment.call(UNAVAILABLE, times=5)
    environment.time.now += 7
    environment.call(ANSWERED)
    assert table.state == "closed"
    for _ in hanging:
        environment.gate.tell(environment.time.now, UNAVAILABLE, key="k", took=environment.time.now - began)
    assert table.state == "closed"


@pytest.mark.requirement("ISO-12")
def test_all_environments_share_one_circuit(table: StatusTable) -> None:
    """What one has found out stops the calls of the others a moment later, in the middle of their invocations."""
    one, other = Environment(table), Environment(table)
    assert other.call(ANSWERED) == [Go]
    one.call(UNAVAILABLE, times=5)
    table.time.now += 2.1
    assert other.call(ANSWERED) == [Wait]
    table.time.now += 3
    assert other.call(ANSWERED) == [Wait]
    table.time.now += 1.9
    assert one.call(ANSWERED) == [Probe]
    table.time.now += 2.1
    assert other.call(ANSWERED) == [Go]


def test_retry_after_outlives_the_environment_that_was_asked(table: StatusTable) -> None:
    """One that starts afterwards does not probe before that time either."""
    one = Environment(table)
    one.call(UNAVAILABLE, times=5, retry_after=600.0)
    assert Environment(table).wait() >= 600


def test_retry_after_from_before_the_opening_is_kept(table: StatusTable) -> None:
    """Whoever opens the circuit need not be the one who was asked to wait."""
    one, other = Environment(table), Environment(table)
    one.call(UNAVAILABLE, retry_after=600.0)
    assert not one.gate.is_open
    other.call(UNAVAILABLE, times=5)
    assert other.wait() >= 600


@pytest.mark.parametrize("retry_after", [float("nan"), -1.0, 0.0])
def test_retry_after_that_makes_no_sense_is_none(table: StatusTable, retry_after: float) -> None:
    """What a provider sends is not to be trusted with more than a wait."""
    environment = Environment(table)
    environment.call(UNAVAILABLE, times=5, retry_after=retry_after)
    assert 5 <= environment.wait() < 9


def test_retry_after_is_at_most_a_week(environment: Environment) -> None:
    """No record waits longer, so the circuit need not either."""
    environment.call(UNAVAILABLE, times=5, retry_after=float("inf"))
    assert environment.wait() == pytest.approx(7 * 86_400, abs=10)


def test_a_burst_of_answers_costs_one_write(environment: Environment, table: StatusTable) -> None:
    """A hundred calls under way that come back within a second, all with the same wish."""
    began = environment.time.now
    assert [type(environment.ask()) for _ in range(100)] == [Go] * 100
    for _ in range(100):
        environment.time.now += 0.01
        now = environment.time.now
        environment.gate.tell(now, UNAVAILABLE, key="k", took=now - began, retry_after=30.0)
    assert table.writes == 2  # that, and the opening


def test_an_isolated_circuit_lets_nothing_through(environment: Environment, table: StatusTable) -> None:
    """No probe, for however long, until a person restores it; then one probe comes first."""
    environment.call(ANSWERED)
    environment.status.isolate(seen=SharedBreaker(), reason="maintenance")
    for _ in range(100):
        environment.time.now += 100
        assert environment.call(ANSWERED, times=2) == [Wait, Wait]
    environment.status.restore(seen=SharedBreaker.of(environment.status.read().breaker))
    environment.time.now += 3
    assert environment.call(ANSWERED, times=2) == [Probe, Wait]
    assert environment.call(ANSWERED) == [Go]


def test_who_cannot_open_the_circuit_pauses(environment: Environment, table: StatusTable) -> None:
    """Its store is away, so the others cannot be told; it stops its own calls and tries one per interval."""
    environment.call(ANSWERED)
    environment.client.usual = "away"
    environment.call(UNAVAILABLE, times=5)
    assert environment.gate.is_open
    assert environment.call(UNAVAILABLE, times=3) == [Wait] * 3
    environment.time.now += 6
    assert environment.call(UNAVAILABLE, times=3) == [Probe, Wait, Wait]
    environment.time.now += 6
    assert environment.call(ANSWERED, times=2) == [Probe, Wait]
    assert environment.call(ANSWERED) == [Go]
    assert table.writes == 0


def test_who_paused_opens_the_circuit_when_the_store_is_back(environment: Environment, table: StatusTable) -> None:
    """A pause is no substitute for telling the others."""
    environment.client.usual = "away"
    environment.call(UNAVAILABLE, times=5)
    environment.client.usual = "well"
    environment.time.now += 70
    assert environment.call(UNAVAILABLE) == [Wait]
    assert table.state == "open"


def test_a_store_that_is_away_is_asked_ever_more_rarely(environment: Environment) -> None:
    """Waiting for its time-outs must not become the trouble."""
    environment.client.usual = "away"
    for _ in range(600):
        environment.time.now += 1
        assert environment.call(ANSWERED) == [Go]
    asked = sum("does not answer" in line.message for line in environment.watch.lines)
    assert 8 <= asked <= 15


def test_what_the_invocation_could_not_read_changes_nothing(environment: Environment) -> None:
    """An open circuit stays open, a closed one closed; the same for an item that makes no sense."""
    now = environment.time.now
    for unreadable in (None, Status(breaker={"breaker_state": "half"})):
        environment.gate.refresh(unreadable, now)
        assert not environment.gate.is_open
    environment.gate.refresh(Status(breaker={"breaker_state": "open", "breaker_epoch": 1}), now)
    assert environment.gate.is_open
    for unreadable in (None, Status(breaker={"breaker_state": "half"})):
        environment.gate.refresh(unreadable, now)
        assert environment.gate.is_open


@pytest.mark.requirement("ISO-14")
def test_state_and_failure_rate_are_metrics(environment: Environment) -> None:
    """The rate rises before the circuit opens; few calls give no rate, so that one failure alarms nobody."""
    environment.call(UNAVAILABLE, times=1)
    assert environment.gauges() == {"BreakerOpen": (0.0, "Count")}
    environment.call(ANSWERED, times=9)
    assert environment.gauges() == {"BreakerOpen": (0.0, "Count"), "CallFailureRate": (10.0, "Percent")}
    environment.call(UNAVAILABLE, times=8)
    assert environment.gauges()["BreakerOpen"] == (1.0, "Count")
    environment.time.now += 7
    environment.call(ANSWERED)
    assert environment.gauges()["BreakerOpen"] == (0.0, "Count")


@pytest.mark.requirement("ISO-14")
def test_transitions_are_published_at_once_and_counted_once(table: StatusTable) -> None:
    """By who made them: an invocation that waits for the dependency keeps no alarm waiting."""
    one, other = Environment(table), Environment(table)
    one.call(UNAVAILABLE, times=5)
    assert one.watch.published["BreakerOpened"] == 1
    table.time.now += 7
    assert isinstance(one.ask(), Probe)
    table.time.now += 7
    assert other.call(ANSWERED) == [Probe]
    assert other.watch.published["BreakerClosed"] == 1
    one.gate.tell(table.time.now, ANSWERED, key="k", took=7.0, probe=True)  # which is late: it is closed already
    assert one.call(ANSWERED) == [Go]
    for environment in (one, other):
        environment.watch.flush()
    assert (one.watch.published + other.watch.published) == {"BreakerOpened": 1, "BreakerClosed": 1}


def test_retries_are_paid_for(environment: Environment) -> None:
    """First calls earn, retries do not, and each refusal is counted."""
    now = environment.time.now
    assert [environment.gate.retry(now) for _ in range(10)] == [0.0] * 10
    assert environment.gate.retry(now) > 0
    for _ in range(5):
        environment.ask(first=False)
    assert environment.gate.retry(now) > 0
    for _ in range(5):
        environment.ask()
    assert environment.gate.retry(now) == 0
    environment.watch.flush()
    assert environment.watch.published["RetriesRefused"] == 2


def test_a_lone_record_can_open_the_circuit(environment: Environment, table: StatusTable) -> None:
    """Where nothing else is called and the budget is spent, its retries still reach the minimum within the window."""
    while not environment.gate.retry(environment.time.now):
        pass
    environment.call(UNAVAILABLE)
    for _ in range(4):
        environment.time.now += environment.gate.retry(environment.time.now)
        assert environment.gate.retry(environment.time.now) == 0
        environment.call(UNAVAILABLE)
    assert table.state == "open"
