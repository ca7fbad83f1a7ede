"""Similar events join one alert, whatever the order; an all-clear ends what it belongs to."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.process_event.aggregation import ATTEMPTS, Aggregator, CrowdedError, Joined
from lambdas.process_event.generations import Newcomer
from lambdas.shared.alert import Action, Alert, Kind, Summary, alert_id_of, merge
from lambdas.shared.parsers import State
from tests.unit.lambdas.shared.memory_alerts import MemoryAlerts, World


def at(minute: float) -> str:
    day, rest = divmod(round(minute * 60_000), 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, milliseconds = divmod(rest, 60_000)
    return f"2026-11-{day + 1:02}T{hours:02}:{minutes:02}:{milliseconds / 1000:06.3f}Z"


def event(
    name: str, accepted: float, *, state: State = "none", occurred: float | None = None, kind: Kind = "alert"
) -> Newcomer:
    return Newcomer(
        event_id=name,
        tenant="acme",
        fingerprint="f1",
        accepted_at=at(accepted),
        correlation_id=f"c-{name}",
        summary=Summary(title=name, text="", kind=kind, service="cloudwatch"),
        state=state,
        occurred_at=at(accepted if occurred is None else occurred),
    )


def alarm(name: str, accepted: float, occurred: float | None = None) -> Newcomer:
    return event(name, accepted, state="problem", occurred=occurred)


def all_clear(name: str, accepted: float, occurred: float | None = None) -> Newcomer:
    return event(name, accepted, state="recovery", occurred=occurred)


def nothing(_attempt: int) -> None: ...


class System:
    """Regions that share one world, each with its aggregator."""

    def __init__(self) -> None:
        self.world = World()

    def join(self, event: Newcomer, region: str = "us-east-1") -> Joined | None:
        return Aggregator(MemoryAlerts(self.world, region), nothing).join(event)

    def joined(self, event: Newcomer, region: str = "us-east-1") -> Alert:
        result = self.join(event, region)
        assert result is not None
        return result.alert

    def alerts(self) -> list[Alert]:
        ids = {alert_id for alert_id, _ in self.world.rows}
        found = [merge([row for (known, _), row in self.world.rows.items() if known == name]) for name in ids]
        return sorted((alert for alert in found if alert), key=lambda alert: alert.generation)

    def act(self, alert: Alert, kind: str, minute: float) -> None:
        repository = MemoryAlerts(self.world)
        (row,) = repository.rows(alert.alert_id)
        action = Action(action_id=kind, kind="close" if kind == "close" else "acknowledge", actor="Ada", at=at(minute))
        repository.save_facts(row.with_action(action))


@pytest.fixture
def system() -> System:
    return System()


@pytest.mark.requirement("PRC-04")
def test_similar_events_join_the_open_alert(system: System) -> None:
    """Counted, seen last, and no other alert beside it."""
    for number in range(50):
        alert = system.joined(event(f"e{number}", number))
    assert [found.alert_id for found in system.alerts()] == [alert_id_of("acme", "f1", 1)]
    assert (alert.count, alert.version, alert.opened_at, alert.last_seen) == (50, 50, at(0), at(49))
    assert alert.summary.title == "e0"


@pytest.mark.requirement("PRC-04")
@pytest.mark.parametrize(("kind", "minutes"), [("alert", 7 * 24 * 60), ("notification", 1)])
def test_the_windows_end_starts_the_next_generation(system: System, kind: Kind, minutes: int) -> None:
    """Seven days for alerts, a minute for notifications, counted from the first event."""
    generations = [
        system.joined(event(name, minute, kind=kind)).generation
        for name, minute in (("a", 0), ("b", minutes - 0.001), ("c", minutes), ("d", minutes + 0.5), ("e", 2 * minutes))
    ]
    assert generations == [1, 1, 2, 2, 3]


@pytest.mark.requirement("PRC-04")
def test_what_comes_after_a_close_opens_the_next_alert(system: System) -> None:
    """What had been accepted before it belongs to what was closed."""
    first = system.joined(event("a", 0))
    system.act(first, "close", 5)
    assert system.joined(event("waited", 4)).generation == 1
    assert system.joined(event("after", 6)).generation == 2
    assert system.joined(event("waited too", 4.5)).generation == 1
    assert system.joined(event("again", 7)).generation == 2


def test_an_event_delivered_again_changes_nothing(system: System) -> None:
    """It finds its own alert, also when that is closed and another one open."""
    system.joined(event("a", 0))
    system.act(system.joined(event("b", 1)), "close", 2)
    later = system.joined(event("c", 3))
    for copy in (event("a", 0), event("b", 1), event("c", 3)):
        result = system.join(copy)
        assert result is not None
        assert result.repeated
    assert [alert.count for alert in system.alerts()] == [2, 1]
    assert system.alerts()[1] == later


def test_a_worker_that_was_slower_decides_again(system: System) -> None:
    """Nothing another worker wrote in between is lost."""
    system.world.before_save = [lambda: system.join(event("b", 1))]
    assert system.joined(event("a", 0)).count == 2
    assert system.alerts()[0].count == 2


def test_a_worker_that_is_always_slower_hands_the_event_back(system: System) -> None:
    """It is delivered again later; pauses grow in between."""
    pauses: list[int] = []
    others = iter(range(1000))

    def intrude() -> None:
        system.join(event(f"other-{next(others)}", 1))
        system.world.before_save = [intrude]

    system.world.before_save = [intrude]
    with pytest.raises(CrowdedError, match="event a did not get through"):
        Aggregator(MemoryAlerts(system.world), pauses.append).join(event("a", 0))
    assert pauses == list(range(1, ATTEMPTS + 1))


def test_two_regions_write_one_alert_in_two_rows(system: System) -> None:
    """Each its own; the first to accept owns it."""
    system.join(event("a", 1), "us-east-1")
    alert = system.joined(event("b", 0), "eu-west-1")
    assert (alert.owner, alert.count, alert.version) == ("eu-west-1", 2, 2)
    assert {region for _, region in system.world.rows} == {"us-east-1", "eu-west-1"}


@pytest.mark.requirement("PRC-07")
def test_an_alarm_that_returns_to_ok_closes_its_alert(system: System) -> None:
    """And the next trouble opens the next one."""
    system.join(alarm("a", 0))
    closed = system.joined(all_clear("ok", 5))
    assert (closed.generation, closed.closed_at, closed.version) == (1, at(5), 2)
    assert system.joined(alarm("b", 6)).generation == 2
    assert system.alerts()[1].closed_at is None


@pytest.mark.requirement("PRC-07")
def test_an_all_clear_delivered_again_finds_the_alert_it_closed(system: System) -> None:
    """What follows from it is sent again, also when trouble has begun anew."""
    system.join(alarm("a", 0))
    closed = system.joined(all_clear("ok", 5))
    for _ in range(2):
        again = system.join(all_clear("ok", 5))
        assert again is not None
        assert again.repeated
        assert again.alert == closed
        system.join(alarm("b", 6))


def test_a_long_series_is_not_walked_from_its_beginning(system: System) -> None:
    """However many generations there were, a few reads find the open one."""
    for generation in range(30):
        system.join(event(f"e{generation}", 2 * generation, kind="notification"))
    reads: list[str] = []
    repository = MemoryAlerts(system.world)
    system.world.before_read = reads.append
    Aggregator(repository, nothing).join(event("last", 2 * 29 + 0.5, kind="notification"))
    assert system.alerts()[-1].count == 2
    assert len(reads) <= 2


@pytest.mark.requirement("PRC-07")
def test_an_all_clear_without_an_open_alert_creates_nothing(system: System) -> None:
    """A new alarm goes to OK first of all; nobody wants to read that."""
    assert system.join(all_clear("ok", 0)) is None
    assert system.alerts() == []


@pytest.mark.requirement("PRC-07")
def test_an_all_clear_older_than_the_last_trouble_leaves_the_alert_open(system: System) -> None:
    """ALARM 1, OK 2, ALARM 3, and OK 2 comes last."""
    system.join(alarm("a", 1, 1))
    system.join(alarm("b", 2, 3))
    alert = system.joined(all_clear("ok", 4, 2))
    assert (alert.closed_at, alert.count) == (None, 3)


@pytest.mark.requirement("PRC-07")
def test_trouble_that_ended_before_it_was_reported_does_not_stay_open(system: System) -> None:
    """OK overtook its ALARM: shown, closed, and one fact per event."""
    assert system.join(all_clear("ok", 0, 2)) is None
    alert = system.joined(alarm("a", 1, 1))
    assert (alert.closed_at, alert.version) == (at(1), 2)


@pytest.mark.requirement("PRC-07")
def test_trouble_that_waited_longer_than_a_newer_all_clear_is_not_buried(system: System) -> None:
    """ALARM 3 was accepted before OK 2 and processed after it: its alert must open."""
    system.join(alarm("a", 0, 1))
    system.join(all_clear("ok", 2, 2))
    alert = system.joined(alarm("b", 1, 3))
    assert (alert.generation, alert.closed_at) == (2, None)


@pytest.mark.requirement("PRC-07")
def test_the_same_trouble_by_another_way_does_not_reopen(system: System) -> None:
    """An alarm may come by SNS and by EventBridge."""
    system.join(alarm("sns", 0, 0))
    system.join(all_clear("ok", 5))
    alert = system.joined(alarm("eventbridge", 6, 0))
    assert (alert.generation, alert.count) == (1, 3)


@pytest.mark.parametrize("first", ["alarm", "all-clear"])
def test_trouble_and_its_end_processed_at_once_end_closed(system: System, first: str) -> None:
    """Whichever worker is interrupted before its write: each writes before it looks for the other."""
    trouble, end = alarm("a", 0, 0), all_clear("ok", 1, 1)
    if first == "alarm":
        system.world.before_save = [lambda: system.join(end)]
        system.join(trouble)
    else:
        system.join(trouble)
        system.world.before_save = [lambda: system.join(alarm("a2", 0.5, 0.5))]
        system.join(end)
    assert all(alert.closed_at for alert in system.alerts())


@pytest.mark.requirement("IDM-08")
@pytest.mark.requirement("PRC-07")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_in_whatever_order_states_arrive_the_last_one_by_the_alarms_clock_holds(data: st.DataObject) -> None:
    """Accepted in one order, processed in another, some twice, in two regions that replicate at once."""
    length = data.draw(st.integers(1, 6))
    starts_with_alarm = data.draw(st.booleans())
    accepted = data.draw(st.permutations(range(length)))
    events = [
        (alarm if (number % 2 == 0) == starts_with_alarm else all_clear)(f"e{number}", accepted[number] / 10, number)
        for number in range(length)
    ]
    order = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=3))))
    system = System()
    for newcomer in order:
        system.join(newcomer, data.draw(st.sampled_from(["us-east-1", "eu-west-1"])))
    open_alerts = [alert for alert in system.alerts() if alert.closed_at is None]
    assert len(open_alerts) == (1 if events[-1].state == "problem" else 0)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_events_are_counted_once_in_whatever_order_they_come(data: st.DataObject) -> None:
    """Also with copies, without closes: one alert that counts each."""
    events = [event(f"e{number}", number / 100) for number in range(data.draw(st.integers(1, 8)))]
    order = data.draw(st.permutations(events * 2))
    system = System()
    for newcomer in order:
        system.join(newcomer)
    (alert,) = system.alerts()
    assert (alert.count, alert.version) == (len(events), len(events))


@pytest.mark.requirement("SEC-07")
def test_two_tenants_never_share_an_alert(system: System) -> None:
    """The same event at two tenants is two alerts."""
    ids = {system.joined(replace(event("a", 0), tenant=tenant)).alert_id for tenant in ("acme", "other")}
    assert len(ids) == 2
