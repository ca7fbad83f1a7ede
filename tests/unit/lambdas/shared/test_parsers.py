"""From what was posted to one typed event: known families by their marks, everything else as it is."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.parsers import ParsedEvent, parse
from lambdas.shared.parsers.parsed import LONGEST_FIELD, LONGEST_TEXT, LONGEST_TITLE

AT = "2026-11-21T03:40:00.000Z"
ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:cpu"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"


def posted(raw: bytes | str | dict[str, Any], content_type: str = JSON, **changes: Any) -> ParsedEvent:
    body = raw if isinstance(raw, bytes) else (raw if isinstance(raw, str) else json.dumps(raw)).encode()
    return parse(
        ReceivedEvent(
            **{
                "endpoint": "e",
                "origin": "http",
                "content_type": content_type,
                "raw": body,
                "accepted_at": AT,
                "accepted_in": "us-east-1",
                **changes,
            }
        )
    )


def by_sns(message: str | dict[str, Any], **changes: str) -> ParsedEvent:
    envelope = {
        "Type": "Notification",
        "MessageId": "m1",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": AT,
        "Signature": "",
        "SignatureVersion": "1",
        "SigningCertURL": "",
    }
    return posted(envelope | changes, TEXT, origin="sns")


def alarm_by_sns(state: str = "ALARM", **changes: Any) -> ParsedEvent:
    return by_sns(
        {
            "AlarmName": "cpu",
            "AlarmArn": ARN,
            "NewStateValue": state,
            "Region": "EU (Ireland)",
            "AWSAccountId": "123456789012",
            "StateChangeTime": "2026-11-21T03:39:00.123+0000",
            **changes,
        }
    )


def alarm_by_eventbridge(state: str = "ALARM", resources: Sequence[str] = (ARN,), **detail: object) -> ParsedEvent:
    return posted(
        {
            "id": "1",
            "source": "aws.cloudwatch",
            "detail-type": "CloudWatch Alarm State Change",
            "account": "123456789012",
            "region": "eu-west-1",
            "time": "2026-11-21T03:39:01Z",
            "resources": list(resources),
            "detail": {
                "alarmName": "cpu",
                "state": {"value": state, "timestamp": "2026-11-21T03:39:00.123+0000", "reason": "Too high"},
                **detail,
            },
        }
    )


@pytest.mark.requirement("PRC-02")
def test_an_alarm_is_the_same_by_either_way() -> None:
    """Same series, same moment; the region is a code though SNS writes a display name."""
    one, other = alarm_by_sns(), alarm_by_eventbridge()
    assert (one.family, one.series, one.occurred_at) == (other.family, other.series, other.occurred_at)
    assert one.region == other.region == "eu-west-1"
    assert one.occurred_at == "2026-11-21T03:39:00.123Z"


def test_an_alarm_without_resources_still_meets_its_other_way() -> None:
    """Its ARN follows from account, region and name."""
    assert alarm_by_eventbridge(resources=[]).series == alarm_by_sns().series


@pytest.mark.parametrize(
    ("state", "reports"), [("ALARM", "problem"), ("OK", "recovery"), ("INSUFFICIENT_DATA", "none")]
)
def test_an_alarms_state_says_whether_trouble_begins_or_ends(state: str, reports: str) -> None:
    """By both ways."""
    assert alarm_by_sns(state).state == alarm_by_eventbridge(state).state == reports


def test_held_back_trouble_is_marked_and_its_end_still_counts() -> None:
    """By a mute rule or a suppressor alarm."""
    mute = {"mutedByArn": "arn", "muteWindowStart": "x", "muteWindowEnd": "2026-11-21T05:00:00Z"}
    muted = alarm_by_eventbridge(muteDetail=mute)
    assert (muted.traits["held"], muted.state) == ("muted", "none")
    assert "Muted until 2026-11-21T05:00:00Z" in muted.text
    assert alarm_by_eventbridge("OK", muteDetail=mute).state == "recovery"
    assert alarm_by_eventbridge(actionsSuppressedBy="Alarm").traits["held"] == "suppressed"


def test_contributors_of_one_alarm_are_apart() -> None:
    """Each is its own trouble."""
    series = {
        alarm_by_eventbridge(alarmContributor={"id": name, "attributes": {"InstanceId": name}}).series
        for name in ("a", "b")
    }
    assert len(series | {alarm_by_eventbridge().series}) == 3


@pytest.mark.parametrize(
    ("number", "level"),
    [(1, "low"), (3.9, "low"), (4, "medium"), (7, "high"), (8.9, "high"), (9, "critical"), (None, ""), ("8", "")],
)
def test_guardduty_severities_have_names(number: object, level: str) -> None:
    """As its user guide names them."""
    finding = {"id": "f1", "type": "T", "severity": number}
    event = {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "account": "1", "region": "r"}
    assert posted(event | {"detail": finding}).severity == level


def test_a_health_event_is_about_its_own_region() -> None:
    """The envelope's region is only where it was sent."""
    event = {"source": "aws.health", "detail-type": "AWS Health Event", "account": "1", "region": "us-west-2"}
    detail = {"eventArn": "arn:x", "eventTypeCode": "AWS_EC2_ISSUE", "service": "EC2", "eventRegion": "eu-west-1"}
    parsed = posted(event | {"detail": detail})
    assert (parsed.region, parsed.title) == ("eu-west-1", "EC2 issue")


def test_a_source_nobody_knows_is_shown_as_it_is() -> None:
    """With what all EventBridge events have in common."""
    arn = "arn:aws:s3:::bucket"
    event = {"source": "my.app", "detail-type": "Order lost", "detail": {"order": 7}, "resources": [arn, 3]}
    parsed = posted(event)
    assert (parsed.family, parsed.service, parsed.title) == ("eventbridge", "my.app", f"Order lost: {arn}")
    assert '"order": 7' in parsed.text
    assert (parsed.page, parsed.page_id) == ("resource", arn)


def test_eventbridge_through_sns_is_eventbridge() -> None:
    """A rule may have a topic as its target."""
    event = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "account": "1"}
    parsed = by_sns(event | {"region": "eu-west-1", "detail": {"instance-id": "i-1", "state": "stopped"}})
    assert (parsed.family, parsed.resource) == ("ec2-state", "i-1")


def test_a_budget_mail_without_its_usual_lines_is_still_a_budget() -> None:
    """It is written for people and may change."""
    parsed = by_sns("AWS Budget Notification\nsomething new", Subject="Budget passed")
    assert (parsed.family, parsed.title, parsed.account) == ("budget", "Budget passed", "123456789012")


def test_text_through_sns_has_its_subject_as_title() -> None:
    """Or its first line."""
    assert by_sns("disk is full\nfree it", Subject="Disk").title == "Disk"
    parsed = by_sns("disk is full\nfree it")
    assert (parsed.title, parsed.text) == ("disk is full", "free it")


@pytest.mark.requirement("ING-09")
@pytest.mark.parametrize(
    "event",
    [
        posted({"title": "Disk", "description": "full", "severity": "HIGH", "url": "https://example.com"}),
        posted("title=Disk&description=full&severity=high&link=https%3A%2F%2Fexample.com", FORM),
        posted(
            b"",
            "",
            parameters={"title": "Disk", "description": "full", "severity": "high", "url": "https://example.com"},
        ),
    ],
)
def test_json_form_and_query_say_the_same(event: ParsedEvent) -> None:
    """Whatever a sender can speak."""
    assert (event.family, event.title, event.text, event.severity) == ("generic", "Disk", "full", "high")
    assert event.links[0].url == "https://example.com"


@pytest.mark.requirement("ING-09")
def test_the_same_content_is_the_same_series_however_it_is_written() -> None:
    """Order of fields and white space do not count; content and topic do."""
    one = posted('{"title": "Disk", "host": {"a": 1, "b": 2}}')
    assert posted('{"host":{"b":2,"a":1},"title":"Disk"}').series == one.series
    assert posted('{"host":{"b":3,"a":1},"title":"Disk"}').series != one.series
    assert posted("disk is full", TEXT).series == posted("disk is full\n", TEXT).series
    assert by_sns("disk is full").series != posted("disk is full", TEXT).series


@pytest.mark.parametrize(
    ("raw", "content_type", "title"),
    [
        ("disk is full", FORM, "disk is full"),  # what curl --data sends
        ("disk is full", "", "disk is full"),
        ("  \n", TEXT, "Event without text"),
        ('{"title": "x"}', TEXT, "x"),
        ('{"title": ', TEXT, '{"title":'),
        ('["a"]', JSON, "Event without a title"),
        ("null", JSON, "Event without a title"),
        ('{"no": "title"}', JSON, "Event without a title"),
        ('{"title": {"a": 1}, "message": "m"}', JSON, "m"),
        ('{"title": "a\\nb\\tc"}', "application/problem+json", "a b c"),
    ],
)
def test_content_speaks_for_itself_where_the_type_does_not(raw: str, content_type: str, title: str) -> None:
    """Nothing of it is refused."""
    parsed = posted(raw, content_type)
    assert (parsed.family, parsed.title) == ("generic", title)


@pytest.mark.parametrize("url", ["http://example.com", "javascript:alert(1)", "https:evil", 7])
def test_only_a_secure_address_becomes_a_link(url: object) -> None:
    """People click on it."""
    assert posted({"title": "x", "link": url}).links == ()


def test_what_is_too_long_is_shortened() -> None:
    """A row stays small and a message fits."""
    parsed = posted({"title": "t" * 1000, "description": "d" * 100_000})
    assert (len(parsed.title), len(parsed.text)) == (LONGEST_TITLE, LONGEST_TEXT)
    assert parsed.title.endswith("…")


def test_no_field_of_a_sender_makes_a_row_too_large_to_store() -> None:
    """DynamoDB refuses a row of more than 400 KB, so nothing of a body of 512 KB may reach it whole."""
    long = "x" * 100_000
    fields = ("service", "account", "region", "resource")
    parsed = posted(dict.fromkeys(fields, long) | {"link": f"https://example.com/{long}"})
    assert [len(getattr(parsed, field)) for field in fields] == [LONGEST_FIELD] * 4
    assert parsed.links == ()
    alarm = alarm_by_sns(AlarmName=long)
    assert (len(alarm.resource), alarm.page) == (LONGEST_FIELD, "")
    update = {"eventArn": "arn:x", "eventTypeCode": "AWS_EC2_ISSUE", "communicationId": long}
    health = {"source": "aws.health", "detail-type": "AWS Health Event", "account": "1", "detail": update}
    assert posted(health).copy_id is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["source", "detail-type", "detail", "account", "region", "resources", "time", "AlarmName", "AlarmArn", "title"]
known = st.sampled_from(
    [
        ("aws.cloudwatch", "CloudWatch Alarm State Change"),
        ("aws.guardduty", "GuardDuty Finding"),
        ("aws.health", "AWS Health Event"),
        ("aws.ec2", "EC2 Instance State-change Notification"),
        ("other", "Other"),
    ]
)
details = st.dictionaries(
    st.sampled_from(
        [
            "alarmName",
            "state",
            "configuration",
            "alarmContributor",
            "muteDetail",
            "id",
            "type",
            "severity",
            "service",
            "resource",
            "eventArn",
            "eventTypeCode",
            "eventDescription",
            "affectedEntities",
            "page",
            "instance-id",
        ]
    ),
    values | st.text(min_size=1, max_size=5),
)


@pytest.mark.requirement("SEC-08")
@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        lambda kind, detail, rest: {**rest, "source": kind[0], "detail-type": kind[1], "detail": detail},
        known,
        details,
        st.dictionaries(st.sampled_from(NAMES), values),
    )
    | st.dictionaries(st.sampled_from([*NAMES, "NewStateValue", "Trigger"]), values),
    st.booleans(),
)
def test_no_json_brings_a_parser_down(fields: dict[str, Any], through_sns: bool) -> None:
    """Strangers write it; whatever comes out can be stored and sent."""
    parsed = by_sns(json.dumps(fields)) if through_sns else posted(fields)
    assert parsed.title
    parsed.title.encode()
    parsed.text.encode()
    json.dumps(parsed.series)
    for value in (parsed.account, parsed.region, parsed.resource, parsed.severity, parsed.service, *parsed.series):
        value.encode()


def test_half_a_character_is_replaced() -> None:
    """JSON can spell it, no AWS API takes it."""
    raw = '{"source":"a\\ud800","detail-type":"b\\ud800","detail":{},"account":"1\\ud800","resources":["arn:x\\ud800"]}'
    parsed = posted(raw)
    assert parsed.family == "eventbridge"
    assert (parsed.service, parsed.account, parsed.resource) == ("a?", "1?", "arn:x?")
    for value in (parsed.title, *parsed.series):
        value.encode()
    assert posted('{"title": "\\ud83d\\ude00"}').title == "\U0001f600"


@pytest.mark.requirement("SEC-08")
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([JSON, FORM, TEXT, "", "image/png"]))
def test_no_bytes_bring_a_parser_down(raw: bytes, content_type: str) -> None:
    """Never an exception, never nothing."""
    assert posted(raw, content_type).title


@pytest.mark.parametrize("raw", [b"[" * 200_000, b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 900 + b"]" * 900])
def test_deep_nesting_is_unreadable_or_read_but_never_fatal(raw: bytes) -> None:
    """The parser's stack is not the sender's to exhaust."""
    assert posted(raw).title
