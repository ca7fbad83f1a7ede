"""How a consumer of messages gets what a topic publishes, or what a rule of a bus finds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources

ARN = "arn:aws:{}:eu-west-1:123456789012:orders"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, **options: Any) -> IdempotentConsumer:
    return IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source), **options)


def names(stack: cdk.Stack) -> tuple[str, str]:
    """Logical ids of the queue and of the dead-letter queue."""
    main, dead = sorted(resources(stack, "AWS::SQS::Queue"), reverse=True)
    return main, dead


def let_in(stack: cdk.Stack, queue: str) -> list[dict[str, Any]]:
    """What the policy of a queue allows."""
    (policy,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in resources(stack, "AWS::SQS::QueuePolicy").values()
        if policy["Properties"]["Queues"] == [{"Ref": queue}]
    )
    return [statement for statement in policy if statement["Effect"] == "Allow"]


def test_a_topic_delivers_with_the_id_by_which_sns_knows_the_message(source: Path) -> None:
    """So with the notification around it; what cannot be delivered is a dead letter."""
    stack = new_stack()
    topic = sns.Topic(stack, "Placed")
    add(stack, source).subscribe(topic)
    main, dead = names(stack)
    subscription = only(stack, "AWS::SNS::Subscription")
    assert subscription["Endpoint"] == {"Fn::GetAtt": [main, "Arn"]}
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}}
    assert not subscription.get("RawMessageDelivery", False)
    assert "FilterPolicy" not in subscription


def test_only_that_topic_is_let_in(source: Path) -> None:
    """Into the queue, and into the dead-letter queue for what it could not deliver."""
    stack = new_stack()
    add(stack, source).subscribe(sns.Topic(stack, "Placed"))
    (topic,) = resources(stack, "AWS::SNS::Topic")
    for queue in names(stack):
        (statement,) = let_in(stack, queue)
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": topic}}}


def test_a_consumer_can_choose_from_what_a_topic_publishes(source: Path) -> None:
    """By attributes of the message."""
    stack = new_stack()
    large = {"size": sns.SubscriptionFilter.string_filter(allowlist=["large"])}
    add(stack, source).subscribe(sns.Topic(stack, "Placed"), only=large)
    assert only(stack, "AWS::SNS::Subscription")["FilterPolicy"] == {"size": ["large"]}


def test_an_ordered_topic_delivers_to_an_ordered_queue(source: Path) -> None:
    """Imported topics too: the name of a FIFO topic tells what it is."""
    stack = new_stack()
    add(stack, source, queue=MessageQueue.fifo()).subscribe(
        sns.Topic.from_topic_arn(stack, "Placed", f"{ARN.format('sns')}.fifo")
    )
    assert only(stack, "AWS::SNS::Subscription")["TopicArn"].endswith(".fifo")


@pytest.mark.requirement("MSG-05")
def test_a_rule_tries_as_long_as_it_can_and_then_keeps_the_event(source: Path) -> None:
    """A day, and then the event is a dead letter; only that rule is let in."""
    stack = new_stack()
    rule = events.Rule(stack, "Placed", event_pattern=events.EventPattern(source=["shop"]))
    add(stack, source).subscribe(rule)
    main, dead = names(stack)
    (target,) = only(stack, "AWS::Events::Rule")["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [main, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [dead, "Arn"]}}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    (name,) = resources(stack, "AWS::Events::Rule")
    for queue in names(stack):
        (statement,) = let_in(stack, queue)
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}}


def test_a_consumer_can_have_several_sources(source: Path) -> None:
    """Each is let in by itself."""
    stack = new_stack()
    orders = add(stack, source)
    for name in ("Placed", "Cancelled"):
        orders.subscribe(sns.Topic(stack, name))
        orders.subscribe(events.Rule(stack, f"{name}Rule", event_pattern=events.EventPattern(source=[name])))
    assert len(resources(stack, "AWS::SNS::Subscription")) == len(resources(stack, "AWS::Events::Rule")) == 2
    assert len(json.dumps(let_in(stack, names(stack)[0])).split("aws:SourceArn")) == 5


def standard(stack: cdk.Stack) -> sns.ITopic:
    return sns.Topic(stack, "Placed")


def ordered(stack: cdk.Stack) -> sns.ITopic:
    return sns.Topic(stack, "Placed", fifo=True)


def rule(stack: cdk.Stack) -> events.Rule:
    return events.Rule(stack, "Placed", event_pattern=events.EventPattern(source=["shop"]))


REFUSED: dict[str, tuple[Callable[[cdk.Stack], Any], MessageQueue, type[Exception], str]] = {
    "no order before a FIFO queue": (standard, MessageQueue.fifo(), ValueError, r"standard topic 'Stack/Placed' for"),
    "order before a standard queue": (ordered, MessageQueue.standard(), ValueError, r"queue=MessageQueue\.fifo\(\)"),
    "a rule before a FIFO queue": (rule, MessageQueue.fifo(), ValueError, "EventBridge keeps no order"),
    "a queue": (
        lambda stack: sqs.Queue(stack, "Other"),
        MessageQueue.standard(),
        TypeError,
        r"got a queue.*ids and attributes.*MessageQueue\.existing",
    ),
    "an imported rule": (
        lambda stack: events.Rule.from_event_rule_arn(stack, "Placed", ARN.format("events")),
        MessageQueue.standard(),
        TypeError,
        "topic or a rule.*that this app defines",
    ),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_words(case: str, source: Path) -> None:
    """The error names both and the way out."""
    make, queue, error, words = REFUSED[case]
    stack = new_stack()
    orders = add(stack, source, queue=queue)
    with pytest.raises(error, match=words):
        orders.subscribe(make(stack))


@pytest.mark.requirement("LIB-04")
def test_a_rule_chooses_by_its_own_pattern(source: Path) -> None:
    """Attributes are a topic's."""
    stack = new_stack()
    orders = add(stack, source)
    with pytest.raises(ValueError, match="only must not be given for a rule, got it for 'Stack/Placed'"):
        orders.subscribe(rule(stack), only={"size": sns.SubscriptionFilter.exists_filter()})


@pytest.mark.requirement("LIB-04")
def test_an_imported_queue_is_subscribed_where_it_is_defined(source: Path) -> None:
    """CDK would leave its policy as it is without a word, and nothing would arrive."""
    stack = new_stack()
    held, dead = (sqs.Queue.from_queue_arn(stack, name, f"{ARN.format('sqs')}{name}") for name in ("Held", "Dead"))
    told = MessageQueue.existing(held, dead_letter_queue=dead, retention=Duration.days(4), max_receive_count=5)
    orders = add(stack, source, queue=told)
    with pytest.raises(ValueError, match=r"policy of queue 'Stack/Held', got one that is imported"):
        orders.subscribe(sns.Topic(stack, "Placed"))
