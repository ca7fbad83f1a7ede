"""What the template of a fan-out promises: each consumer for itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from constructs_lib.fan_out import FanOut
from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from constructs_lib.testing.findings import findings
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def fill(stack: cdk.Stack, source: Path, names: Sequence[str], *, ordered: bool = False) -> FanOut:
    """A fan-out with a consumer of each name."""
    placed = FanOut(stack, "Placed", ordered=ordered)
    for name in names:
        queue = MessageQueue.fifo() if ordered else MessageQueue.standard()
        placed.add_consumer(
            IdempotentConsumer(stack, name, consumer=consumer(stack, f"{name}Take", source), queue=queue)
        )
    return placed


def template(source: Path, names: Sequence[str]) -> dict[str, Any]:
    """Resources of a stack with a fan-out to consumers of these names."""
    stack = new_stack()
    fill(stack, source, names)
    return dict(cdk.assertions.Template.from_stack(stack).to_json()["Resources"])


@pytest.mark.requirement("MSG-03")
@pytest.mark.parametrize("ordered", [False, True], ids=["standard", "ordered"])
def test_every_consumer_gets_every_event_by_a_queue_of_its_own(ordered: bool, source: Path) -> None:
    """With a dead-letter queue of its own, for what it cannot process and for what SNS cannot deliver to it."""
    stack = new_stack()
    fill(stack, source, ["Bill", "Pack", "Thank"], ordered=ordered)
    (topic,) = resources(stack, "AWS::SNS::Topic")
    queues = resources(stack, "AWS::SQS::Queue")
    assert len(queues) == 6
    found = []
    for subscription in resources(stack, "AWS::SNS::Subscription").values():
        properties = subscription["Properties"]
        assert properties["TopicArn"] == {"Ref": topic}
        assert "FilterPolicy" not in properties
        queue = properties["Endpoint"]["Fn::GetAtt"][0]
        dead = queues[queue]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]
        assert properties["RedrivePolicy"]["deadLetterTargetArn"] == dead
        assert queues[queue]["Properties"].get("FifoQueue", False) == ordered
        found += [queue, dead["Fn::GetAtt"][0]]
    assert sorted(found) == sorted(queues)


@pytest.mark.requirement("MSG-04")
def test_another_consumer_changes_nothing_that_is_there(source: Path) -> None:
    """All that was in the template before is in it after, letter by letter, in whatever order they are added."""
    before = template(source, ["Bill", "Pack"])
    for names in (["Bill", "Pack", "Thank"], ["Thank", "Pack", "Bill"]):
        after = template(source, names)
        assert {name: after.get(name) for name in before} == before
        assert all("Thank" in name for name in after.keys() - before.keys())


def test_a_consumer_can_choose(source: Path) -> None:
    """By attributes of the message; the others get all the same."""
    stack = new_stack()
    placed = fill(stack, source, ["Bill"])
    large = {"size": sns.SubscriptionFilter.string_filter(allowlist=["large"])}
    placed.add_consumer(IdempotentConsumer(stack, "Insure", consumer=consumer(stack, "InsureTake", source)), only=large)
    policies = [each["Properties"].get("FilterPolicy") for each in resources(stack, "AWS::SNS::Subscription").values()]
    assert sorted(policies, key=str) == [None, {"size": ["large"]}]


@pytest.mark.requirement("SEC-02")
def test_the_topic_takes_tls_only(source: Path) -> None:
    """Whoever publishes without is refused."""
    stack = new_stack()
    fill(stack, source, [])
    (statement,) = only(stack, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.requirement("SEC-01")
def test_a_producer_may_publish_and_no_more() -> None:
    """To this topic."""
    stack = new_stack()
    placed = FanOut(stack, "Placed")
    placed.grant_publish(iam.Role(stack, "Shop", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    (topic,) = resources(stack, "AWS::SNS::Topic")
    assert statements(stack) == [{"Action": "sns:Publish", "Effect": "Allow", "Resource": {"Ref": topic}}]


def test_alarms_watch_what_sns_counts() -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html"""
    stack = new_stack()
    placed = FanOut(stack, "Placed")
    (topic,) = resources(stack, "AWS::SNS::Topic")
    watched = {}
    for found in resources(stack, "AWS::CloudWatch::Alarm").values():
        alarm = found["Properties"]
        assert alarm["Dimensions"] == [{"Name": "TopicName", "Value": {"Fn::GetAtt": [topic, "TopicName"]}}]
        assert (alarm["Namespace"], alarm["Statistic"], alarm["TreatMissingData"]) == ("AWS/SNS", "Sum", "notBreaching")
        watched[alarm["MetricName"]] = alarm["Threshold"]
    assert watched == {"NumberOfNotificationsRedrivenToDlq": 1, "NumberOfNotificationsFailedToRedriveToDlq": 1}
    assert len(placed.alarms) == 2
    assert placed.metric_published().metric_name == "NumberOfMessagesPublished"


@pytest.mark.requirement("LIB-04")
def test_two_consumers_of_one_dead_letter_queue_are_refused(source: Path) -> None:
    """Nobody could tell whose dead letter it is."""
    stack = new_stack()
    placed = FanOut(stack, "Placed")
    dead = sqs.Queue(stack, "Dead", retention_period=Duration.days(14))
    for name in ("Bill", "Pack"):
        queue = sqs.Queue(
            stack,
            f"{name}Queue",
            visibility_timeout=Duration.minutes(3),
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=5),
        )
        told = MessageQueue.existing(queue, dead_letter_queue=dead, retention=Duration.days(4), max_receive_count=5)
        made = IdempotentConsumer(stack, name, consumer=consumer(stack, f"{name}Take", source), queue=told)
        if name == "Bill":
            placed.add_consumer(made)
            continue
        with pytest.raises(ValueError, match=r"got 'Stack/Dead' for 'Stack/Pack' as for 'Stack/Bill'"):
            placed.add_consumer(made)


@pytest.mark.requirement("LIB-04")
def test_order_in_the_topic_takes_order_in_the_queue(source: Path) -> None:
    """SNS would refuse the subscription, but only when it is deployed."""
    stack = new_stack()
    placed = FanOut(stack, "Placed", ordered=True)
    made = IdempotentConsumer(stack, "Bill", consumer=consumer(stack, "Take", source))
    with pytest.raises(ValueError, match=r"FIFO topic 'Stack/Placed/Topic'.*queue=MessageQueue\.fifo\(\)"):
        placed.add_consumer(made)


@pytest.mark.requirement("SEC-01", "SEC-02")
def test_the_rule_packs_find_nothing(source: Path, tmp_path: Path) -> None:
    """Nothing that was not acknowledged with a reason."""

    def build(app: cdk.App) -> None:
        fill(cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1")), source, ["Bill", "Pack"])
        fill(cdk.Stack(app, "Other", env=cdk.Environment(region="eu-west-1")), source, ["Bill"], ordered=True)

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
