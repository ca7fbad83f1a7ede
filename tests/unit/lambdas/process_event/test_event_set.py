"""Every bundled event through both functions: posted, signed where SNS would sign, accepted, processed."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from lambdas.ingest.sns_signature import SnsAuthority
from lambdas.process_event.classification import classify, fingerprint
from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.parsers import parse
from tests.fixtures.event_set import PostedEvent, load_events
from tests.unit.lambdas.ingest.signing import NOW, ORIGIN, sign, web
from tests.unit.lambdas.ingest.world import Stored, http
from tests.unit.lambdas.ingest.world import World as IngestWorld
from tests.unit.lambdas.process_event.world import World

EVENTS = {event.name: event for event in load_events()}


def accept(event: PostedEvent) -> Stored:
    """Post *event* to ingest with the real check of signatures."""
    if event.sns_fields is not None:
        event = event.signed(sign(dict(event.sns_fields), version="2"))
    world = IngestWorld()
    authority = SnsAuthority(web(), origin=ORIGIN, clock=lambda: NOW)
    world.verify = authority.verify  # type: ignore[method-assign] # the one real part among fakes
    status, answer, _ = world.post(
        http(
            event.body or None,
            method=event.method,
            headers=dict(event.headers),
            query=dict(parse_qsl(urlsplit(event.path_suffix).query)),
            encode=bool(event.body),
        )
    )
    assert status == 202, answer
    return world.stored[0]


@pytest.mark.requirement("PRC-01")
@pytest.mark.requirement("PRC-02")
@pytest.mark.requirement("PRC-03")
@pytest.mark.requirement("PRC-05")
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_real_event_becomes_what_a_person_needs_to_know(event: PostedEvent) -> None:
    """Family, kind, service, account, region, resource, severity and the link to click."""
    stored, expected = accept(event), event.expected
    parsed = parse(stored.event)
    assert parsed.family == expected.family
    assert parsed.occurred_at is not None or parsed.family in ("generic", "unreadable")
    world = World()
    if expected.closes:
        world.process(accept(EVENTS[expected.closes]).event, event_id="opening")
    world.process(stored.event, event_id=stored.event_id)
    (alert,) = world.alerts()
    if expected.closes:
        assert alert.closed_at is not None
        assert alert.count == 2
        return
    summary = alert.summary
    assert summary.kind == expected.kind
    assert (summary.service, summary.title) == (expected.service, expected.title)
    assert (summary.account, summary.region) == (expected.account, expected.region)
    assert (summary.resource, summary.severity) == (expected.resource, expected.severity)
    assert (summary.links[0].url if summary.links else "") == expected.link
    assert len(world.commands) == 1
    assert len(world.started) == (expected.kind == "alert")


@pytest.mark.requirement("PRC-03")
def test_every_family_and_way_of_posting_is_in_the_set() -> None:
    """So that a new parser does not stay without a real event."""
    assert {event.expected.family for event in EVENTS.values()} == {
        "budget",
        "cloudwatch-alarm",
        "ec2-state",
        "eventbridge",
        "generic",
        "guardduty-finding",
        "health",
        "sns-unsubscribed",
        "unreadable",
    }
    assert {event.how for event in EVENTS.values()} == {"sns", "eventbridge", "http-json", "form", "text", "get"}


def test_no_two_events_of_the_set_share_an_alert_but_those_that_belong_together() -> None:
    """Whoever feeds the set to a running system can account for each."""

    def series(event: ReceivedEvent) -> str:
        parsed = parse(event)
        return fingerprint(parsed, classify(parsed), event.alert_key)

    fingerprints = {name: series(accept(event).event) for name, event in EVENTS.items()}
    assert fingerprints["cloudwatch-alarm-sns"] == fingerprints["cloudwatch-ok-sns"]
    assert len(set(fingerprints.values())) == len(EVENTS) - 1


def test_another_salt_makes_new_events() -> None:
    """For a second run against the same system."""
    before, after = (
        {accept(event).event_id for event in load_events(salt=salt) if event.how in ("sns", "eventbridge")}
        for salt in ("", "again")
    )
    assert not before & after
