"""From HTTP request to answer: what is accepted is stored first, what is not is told why."""

import hashlib
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.ingest.domain import LARGEST_BODY
from lambdas.shared.codes import Code
from lambdas.shared.messages import ReceivedEvent
from tests.unit.lambdas.ingest.signing import body, confirmation, notification, sign
from tests.unit.lambdas.ingest.world import AT, World, http

SNS_HEADERS = {"x-amz-sns-message-type": "Notification", "content-type": "text/plain; charset=UTF-8"}
BRIDGE = b'{"id":"b1","source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{}}'
ENDPOINT_HASH = hashlib.sha256(b"acme-endpoint").hexdigest()[:12]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.requirement("ING-01")
def test_an_event_is_answered_with_202_and_its_id_once_it_is_stored(world: World) -> None:
    """Byte for byte, with when and where it was accepted."""
    status, answer, headers = world.post(
        http(b'{"title": "x"}', headers={"Content-Type": "application/json; charset=utf-8", "X-Alert-Key": "disk"})
    )
    (stored,) = world.stored
    assert (status, answer) == (202, {"event_id": stored.event_id})
    assert headers["X-Correlation-Id"] == stored.correlation_id == "request-1"
    assert stored.tenant == "acme"
    assert stored.event == ReceivedEvent(
        endpoint="acme-endpoint",
        origin="http",
        content_type="application/json",
        raw=b'{"title": "x"}',
        accepted_at=AT,
        accepted_in="us-east-1",
        alert_key="disk",
        parameters={},
    )
    assert world.logged[-1][0] is Code.ING_ACCEPTED


@pytest.mark.requirement("ING-01")
@pytest.mark.parametrize("part", ["queue", "tenants", "sns"])
def test_what_could_not_be_stored_is_never_answered_with_2xx(world: World, part: str) -> None:
    """503 makes the sender, SNS included, try again."""
    world.down = {part}
    status, answer, headers = world.post(http(body(sign(notification())), headers=SNS_HEADERS))
    assert status == 503
    assert headers["Retry-After"] == "5"
    assert headers["Content-Type"] == "application/problem+json"
    assert "Nothing was stored" in answer["detail"]
    assert world.stored == []
    assert world.logged[-1][0] is Code.ING_UNAVAILABLE


@pytest.mark.requirement("MSG-09")
def test_a_tenant_far_above_its_rate_gets_429_with_the_time_to_wait_and_another_notices_nothing(world: World) -> None:
    """Nothing of it is stored; SNS repeats on 429."""
    world.above_hard_rate = {"acme": 3}
    for event in (http(), http(body(sign(notification())), headers=SNS_HEADERS)):
        status, answer, headers = world.post(event)
        assert (status, answer["type"]) == (429, "urn:alerting:problem:over-rate")
        assert headers["Retry-After"] == "3"
        assert headers["Content-Type"] == "application/problem+json"
        assert "Nothing was stored" in answer["detail"]
        code, fields = world.logged[-1]
        assert (code, fields["reason"]) == (Code.ING_THROTTLED, "tenant acme")
    assert world.stored == []
    assert world.post(http(endpoint="other-endpoint"))[0] == 202
    assert [each.tenant for each in world.stored] == ["other"]


@pytest.mark.requirement("MSG-10")
def test_an_event_above_its_tenants_fair_rate_is_accepted_and_stored_aside(world: World) -> None:
    """The sender is told the same as ever."""
    world.above_fair_rate = {"acme"}
    assert world.post(http())[0] == world.post(http(endpoint="other-endpoint"))[0] == 202
    assert [(each.tenant, each.aside) for each in world.stored] == [("acme", True), ("other", False)]
    assert [code for code, _ in world.logged] == [Code.ING_SIDELINED, Code.ING_ACCEPTED]


def test_what_is_not_accepted_anyway_costs_its_tenant_nothing(world: World) -> None:
    """Whether it is forged, malformed or a subscription."""
    world.above_hard_rate = {"acme": 3}
    assert world.post(http(headers={"x-alert-key": "k" * 257}))[0] == 400
    assert world.post(http(body(sign(confirmation()))))[0] == 200
    world.forged = "the signature does not match the message"
    assert world.post(http(body(sign(notification())), headers=SNS_HEADERS))[0] == 403


def test_a_bug_is_answered_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The sender learns that it may try again, the log holds the trace."""
    world.down = {"queue bug"}
    with caplog.at_level(logging.CRITICAL):
        status, answer, _ = world.post(http())
    assert (status, answer["type"]) == (500, "urn:alerting:problem:unforeseen")
    assert answer["correlation_id"] == "request-1"


@pytest.mark.parametrize(
    ("event", "status", "name", "says"),
    [
        (http(endpoint="nobody"), 404, "unknown-endpoint", "copy it again"),
        (http(endpoint="a/../b"), 404, "unknown-endpoint", "copy it again"),
        (http(b"x" * (LARGEST_BODY + 1)), 413, "body-too-large", "has 524289 bytes; at most 524288 are accepted"),
        (http(method="DELETE"), 405, "method-not-allowed", "DELETE is not accepted"),
        (http(b""), 400, "malformed-request", "There is no event in it"),
        (http(None, method="GET"), 400, "malformed-request", "There is no event in it"),
        (http() | {"isBase64Encoded": True}, 400, "malformed-request", "not valid base64"),
        (http(headers={"idempotency-key": "a b"}), 400, "malformed-request", "Header idempotency-key must be 1 to 128"),
        (http(headers={"x-event-id": ""}), 400, "malformed-request", "Header x-event-id must be 1 to 128"),
        (http(headers={"x-alert-key": "k" * 257}), 400, "malformed-request", "Header X-Alert-Key must be 1 to 256"),
        (http(headers=SNS_HEADERS), 400, "malformed-request", "must be a JSON object"),
        (http(b'{"Type":"Other"}', headers=SNS_HEADERS), 400, "malformed-request", "'Type' must be one of Notif"),
        (http(b'{"Type":"Notification","SigningCertURL":1}'), 400, "malformed-request", "field 'Message' must be text"),
    ],
)
def test_bad_input_is_told_what_is_wrong_what_is_allowed_and_the_way_out(
    world: World, event: dict[str, Any], status: int, name: str, says: str
) -> None:
    """Each with its own status and problem document; nothing is stored."""
    got, answer, headers = world.post(event)
    assert (got, answer["status"], answer["type"]) == (status, status, f"urn:alerting:problem:{name}")
    assert headers["Content-Type"] == "application/problem+json"
    assert says in answer["detail"]
    assert world.stored == []
    assert world.logged[-1][0] is Code.ING_REFUSED


def test_a_body_of_the_largest_size_is_accepted(world: World) -> None:
    """The limit itself is allowed."""
    assert world.post(http(b"x" * LARGEST_BODY))[0] == 202


def test_a_body_that_is_no_text_is_kept_byte_for_byte(world: World) -> None:
    """The gateway sends it as base64."""
    world.post(http(bytes(range(256)), encode=True))
    assert world.stored[0].event.raw == bytes(range(256))


def test_an_event_may_come_in_the_query_string(world: World) -> None:
    """For senders that can only open an address."""
    status, _, _ = world.post(http(None, method="GET", query={"title": "disk is full"}))
    assert status == 202
    assert world.stored[0].event.parameters == {"title": "disk is full"}


@pytest.mark.requirement("ING-03")
@pytest.mark.parametrize("headers", [SNS_HEADERS, {}])
def test_a_verified_sns_message_is_stored_as_it_came(world: World, headers: dict[str, str]) -> None:
    """Whether the header says so or the body does."""
    posted = body(sign(notification()))
    assert world.post(http(posted, headers=headers))[0] == 202
    assert (world.stored[0].event.origin, world.stored[0].event.raw) == ("sns", posted)


@pytest.mark.requirement("ING-03")
@pytest.mark.parametrize("headers", [SNS_HEADERS, {}])
@pytest.mark.parametrize("make", [notification, confirmation, lambda: confirmation("UnsubscribeConfirmation")])
def test_a_forged_sns_message_gets_403_and_leaves_nothing(world: World, headers: dict[str, str], make: Any) -> None:
    """Nor is anything confirmed."""
    world.forged = "the signature does not match the message"
    status, answer, _ = world.post(http(body(sign(make())), headers=headers))
    assert (status, answer["type"]) == (403, "urn:alerting:problem:invalid-signature")
    assert world.stored == []
    assert world.confirmed == []
    assert world.logged[-1][0] is Code.ING_FORGED


@pytest.mark.requirement("ING-03")
def test_a_subscription_is_confirmed_and_an_end_of_one_is_recorded(world: World) -> None:
    """The first is no event, the second is: alerts stop coming from that topic."""
    status, answer, _ = world.post(http(body(sign(confirmation()))))
    assert (status, answer["subscription"], world.stored) == (200, "confirmed", [])
    assert world.confirmed == [answer["topic"]]
    assert world.post(http(body(sign(confirmation("UnsubscribeConfirmation")))))[0] == 202
    assert len(world.stored) == len(world.confirmed) == 1


def test_a_confirmation_that_does_not_get_through_is_asked_for_again(world: World) -> None:
    """SNS repeats on 503."""
    world.down = {"confirm"}
    assert world.post(http(body(sign(confirmation()))))[0] == 503


def test_a_raw_sns_delivery_counts_as_what_anybody_may_post(world: World) -> None:
    """It bears no signature; its id keeps repeats apart all the same."""
    headers = SNS_HEADERS | {"x-amz-sns-rawdelivery": "true", "x-amz-sns-message-id": "m1"}
    assert world.post(http(b"disk is full", headers=headers))[0] == 202
    assert (world.stored[0].event.origin, world.stored[0].event_id) == ("http", f"acme:key:{ENDPOINT_HASH}:m1")


@pytest.mark.requirement("IDM-02")
@pytest.mark.parametrize(
    ("event", "event_id"),
    [
        (http(body(sign(notification()))), "acme:sns:22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        (http(BRIDGE), "acme:eventbridge:b1"),
        (http(headers={"Idempotency-Key": "k1"}), f"acme:key:{ENDPOINT_HASH}:k1"),
        (http(headers={"X-Event-Id": "k2"}), f"acme:key:{ENDPOINT_HASH}:k2"),
        (http(BRIDGE, headers={"X-Event-Id": "k2"}), f"acme:key:{ENDPOINT_HASH}:k2"),
        (
            http(body(sign(notification())), headers={"X-Event-Id": "k"}),
            "acme:sns:22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        ),
    ],
)
def test_the_senders_own_id_names_the_event(world: World, event: dict[str, Any], event_id: str) -> None:
    """What is signed comes before what a header claims."""
    assert world.post(event)[1]["event_id"] == event_id


@pytest.mark.requirement("IDM-02")
def test_without_an_id_the_same_content_within_a_minute_is_the_same_event(world: World) -> None:
    """Other content, another query, another endpoint or another minute make another."""

    def posted(event: dict[str, Any], now: str = AT) -> str:
        world.now = now
        return str(world.post(event)[1]["event_id"])

    first = posted(http())
    assert first.startswith("acme:hash:")
    assert posted(http(), "2026-11-21T03:40:59.999Z") == first
    others = [
        posted(http(b"disk is empty")),
        posted(http(query={"a": "b"})),
        posted(http(endpoint="other-endpoint")),
        posted(http(), "2026-11-21T03:41:00.000Z"),
    ]
    assert len({first, *others}) == 5


@pytest.mark.requirement("SEC-07")
@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128))
def test_no_tenant_can_occupy_anothers_event_ids(key: str) -> None:
    """The same key, topic or event at two tenants is two events."""
    world = World()
    for posted, headers in ((b"disk is full", {"x-event-id": key}), (BRIDGE, {})):
        ids = {world.post(http(posted, endpoint=e, headers=headers))[1]["event_id"] for e in world.tenants}
        assert len(ids) == 2


@pytest.mark.requirement("SEC-08")
@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    st.dictionaries(
        st.sampled_from(["content-type", "x-alert-key", "x-event-id", "x-amz-sns-message-type", "x-amzn-trace-id"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ),
    st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    st.sampled_from(["acme-endpoint", "nobody", ""]),
)
def test_whatever_is_posted_gets_a_deliberate_answer(
    posted: bytes, headers: dict[str, str], method: str, endpoint: str
) -> None:
    """Never a 500, and 202 exactly when it is stored."""
    world = World()
    status, _, _ = world.post(http(posted, method=method, endpoint=endpoint, headers=headers, encode=True))
    assert status in {202, 400, 404, 405}
    assert len(world.stored) == (status == 202)


@pytest.mark.requirement("OBS-01")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-Id": "order-17"}, "order-17"),
        ({"X-Correlation-Id": "bad\nid", "X-Amzn-Trace-Id": "Root=1-67891233-abcdef;Sampled=1"}, "1-67891233-abcdef"),
        ({"X-Correlation-Id": "x" * 129}, "request-1"),
        ({"X-Amzn-Trace-Id": "Self=1-2;Root=1-67891233-abcdef"}, "1-67891233-abcdef"),
        ({}, "request-1"),
    ],
)
def test_the_correlation_id_is_the_senders_if_sane(world: World, headers: dict[str, str], expected: str) -> None:
    """It goes back to the sender and on with the event."""
    _, _, answered = world.post(http(headers=headers))
    assert answered["X-Correlation-Id"] == world.stored[0].correlation_id == expected
