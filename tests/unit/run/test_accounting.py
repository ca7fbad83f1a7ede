"""The books of a run must notice every way in which an event can go astray."""

from dataclasses import replace

from lambdas.shared.alert import AlertRow, Summary, alert_id_of
from tests.e2e.run.accounting import Accepted, Home, Shown, problems

HOMES = {"acme": Home(provider="slack", target="C1"), "globex": Home(provider="teams", target="19:x")}
SUMMARY = Summary(title="CPU is high", text="", kind="alert", service="cloudwatch")
ALERT = alert_id_of("acme", "cpu", 1)
EVENTS = [Accepted(event_id=name, tenant="acme", name="cpu") for name in ("e1", "e2")]
EMPTY = AlertRow(
    alert_id=ALERT,
    region="us-east-1",
    tenant="acme",
    fingerprint="cpu",
    generation=1,
    last_seen="2026-01-01T00:00:00.000Z",
    correlation_id="c",
)
ROW = EMPTY.with_event("e1", at="2026-01-01T00:00:00.000Z", summary=SUMMARY).with_event(
    "e2", at="2026-01-01T00:00:01.000Z", summary=SUMMARY
)
POST = Shown(provider="slack", target="C1", alert_id=ALERT, version=2)


def test_books_that_add_up_have_no_problem() -> None:
    """Two events, one alert, one post of version two."""
    assert problems(EVENTS, [ROW], [POST], HOMES) == []


def test_rows_of_two_regions_add_up() -> None:
    """An event that another region accepted counts towards the same post."""
    here = EMPTY.with_event("e1", at="2026-01-01T00:00:00.000Z", summary=SUMMARY)
    there = replace(EMPTY, region="eu-west-1").with_event("e2", at="2026-01-01T00:00:01.000Z", summary=SUMMARY)
    assert problems(EVENTS, [there, here], [POST], HOMES) == []


def test_an_event_that_two_regions_accepted_counts_once() -> None:
    """A sender that was not answered in one region may have tried the other."""
    there = replace(EMPTY, region="eu-west-1").with_event("e1", at="2026-01-01T00:00:00.000Z", summary=SUMMARY)
    assert problems(EVENTS, [ROW, there], [POST], HOMES) == []


def test_a_missing_event_is_noticed() -> None:
    """What was accepted must be in an alert."""
    (problem,) = problems([*EVENTS, Accepted(event_id="e3", tenant="acme", name="disk")], [ROW], [POST], HOMES)
    assert problem == "disk (e3) joined 0 alerts of acme, not 1"


def test_an_event_counted_twice_is_noticed() -> None:
    """A duplicate may not count in a second alert."""
    second = replace(ROW, alert_id=alert_id_of("acme", "cpu", 2), event_ids=("e1",), count=1)
    found = problems(EVENTS, [ROW, second], [POST, replace(POST, alert_id=second.alert_id, version=1)], HOMES)
    assert found == ["cpu (e1) joined 2 alerts of acme, not 1"]


def test_an_alert_without_a_post_is_noticed() -> None:
    """Nobody would ever see it."""
    assert problems(EVENTS, [ROW], [], HOMES) == [f"alert {ALERT} (CPU is high) has 0 posts, not 1"]


def test_a_second_post_is_noticed() -> None:
    """One alert is one message, however often it is sent."""
    assert problems(EVENTS, [ROW], [POST, POST], HOMES) == [f"alert {ALERT} (CPU is high) has 2 posts, not 1"]


def test_an_old_version_is_noticed() -> None:
    """The message must show the last event."""
    old = replace(POST, version=1)
    assert problems(EVENTS, [ROW], [old], HOMES) == [f"alert {ALERT} shows version 1, but 2 facts joined"]


def test_the_wrong_provider_is_noticed() -> None:
    """A tenant of Slack is never told in Teams."""
    astray = replace(POST, provider="teams", target="19:x")
    assert problems(EVENTS, [ROW], [astray], HOMES) == [f"alert {ALERT} of acme is shown at teams 19:x"]


def test_a_wrong_count_is_noticed() -> None:
    """A number on the message that no event stands behind is a lie."""
    inflated = replace(ROW, count=3)
    assert problems(EVENTS, [inflated], [replace(POST, version=3)], HOMES) == [
        f"alert {ALERT} counts 3 events, but 2 joined"
    ]


def test_the_wrong_tenant_is_noticed() -> None:
    """An event may not end in somebody else's alert."""
    found = problems([EVENTS[0], replace(EVENTS[1], tenant="globex")], [ROW], [POST], HOMES)
    assert found == [
        "cpu (e2) joined 0 alerts of globex, not 1",
        "event e2 of acme was never accepted, yet it joined an alert",
    ]


def test_one_event_of_two_tenants_joins_an_alert_of_each() -> None:
    """Two endpoints may be subscribed to one topic."""
    other = replace(ROW, alert_id=alert_id_of("globex", "cpu", 1), tenant="globex", count=2, event_ids=("e1", "e2"))
    events = [*EVENTS, *(replace(event, tenant="globex") for event in EVENTS)]
    posts = [POST, Shown(provider="teams", target="19:x", alert_id=other.alert_id, version=2)]
    assert problems(events, [ROW, other], posts, HOMES) == []


def test_events_and_posts_from_nowhere_are_noticed() -> None:
    """What was never accepted cannot have happened."""
    found = problems(EVENTS[:1], [ROW], [POST, replace(POST, alert_id="ghost")], HOMES)
    assert found == [
        "event e2 of acme was never accepted, yet it joined an alert",
        "slack shows ghost, which no table holds",
    ]
