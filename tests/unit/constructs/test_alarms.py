"""Alarms reach the operators by a way that does not use the system."""

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib.alarms import OperatorTopic, notify
from constructs_lib.testing.findings import findings
from tests.support.synthesis import new_stack, only, resources


class Watched:
    """Anything with alarms."""

    def __init__(self, *alarms: cloudwatch.Alarm) -> None:
        self.alarms = alarms


def alarm(stack: cdk.Stack, name: str) -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(namespace="Test", metric_name=name)
    return cloudwatch.Alarm(stack, name, metric=metric, threshold=1, evaluation_periods=1)


@pytest.mark.requirement("OBS-10")
def test_cloudwatch_mails_the_operators_without_the_system() -> None:
    """CloudWatch may publish, SNS mails: no queue, stream or function of the system lies between."""
    stack = new_stack()
    topic = OperatorTopic(stack, "Operators", emails=["team@example.com"])
    notify(topic, Watched(alarm(stack, "Down")))

    (topic_id,) = resources(stack, "AWS::SNS::Topic")
    assert only(stack, "AWS::CloudWatch::Alarm")["AlarmActions"] == [{"Ref": topic_id}]
    subscription = only(stack, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "team@example.com")
    allowed = [
        statement
        for statement in only(stack, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [(each["Principal"], each["Action"], each["Condition"]) for each in allowed] == [
        (
            {"Service": "cloudwatch.amazonaws.com"},
            "sns:Publish",
            {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        )
    ]


def test_every_alarm_says_when_it_starts_and_when_it_is_over() -> None:
    """One line wires all alarms of all constructs; one that two of them share is wired once."""
    stack = new_stack()
    first, shared, last = (alarm(stack, name) for name in ("First", "Shared", "Last"))
    notify(OperatorTopic(stack, "Operators"), Watched(first, shared), Watched(shared, last), Watched())

    (topic_id,) = resources(stack, "AWS::SNS::Topic")
    wired = [each["Properties"] for each in resources(stack, "AWS::CloudWatch::Alarm").values()]
    assert [(each["AlarmActions"], each["OKActions"]) for each in wired] == [
        ([{"Ref": topic_id}], [{"Ref": topic_id}])
    ] * 3


@pytest.mark.requirement("SEC-02")
def test_nothing_is_published_in_the_clear() -> None:
    """Whoever publishes without TLS is turned away."""
    stack = new_stack()
    OperatorTopic(stack, "Operators")
    denied = [
        statement
        for statement in only(stack, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert [(each["Action"], each["Principal"], each["Condition"]) for each in denied] == [
        ("sns:Publish", "*", {"Bool": {"aws:SecureTransport": "false"}})
    ]


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("emails", "message"),
    [
        (["team.example.com"], r"emails must be an address like 'team@example\.com', got 'team\.example\.com'"),
        (["team@example.com"] * 2, r"emails must not name anything twice, got 'team@example\.com' twice"),
    ],
)
def test_an_address_that_cannot_be_mailed_is_refused(emails: list[str], message: str) -> None:
    """An alarm that nobody receives is found at synth."""
    with pytest.raises(ValueError, match=message):
        OperatorTopic(new_stack(), "Operators", emails=emails)


def test_a_topic_passes_the_rule_packs(tmp_path: Path) -> None:
    """Nothing is left that AwsSolutions and Serverless object to."""

    def build(app: cdk.App) -> None:
        OperatorTopic(cdk.Stack(app, "Stack"), "Operators", emails=["team@example.com"])

    assert findings(build, output=tmp_path / "out") == []
