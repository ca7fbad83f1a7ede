"""What the template of an idempotent consumer promises."""

import json
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from constructs_lib.idempotent_consumer import IdempotentConsumer
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements

DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(
    stack: cdk.Stack, source: Path, *, id: str = "Events", function: dict[str, Any] | None = None, **options: Any
) -> IdempotentConsumer:
    return IdempotentConsumer(
        stack, id, consumer=consumer(stack, f"{id}Process", source, **(function or {})), **options
    )


@pytest.fixture(scope="module")
def stack(source: Path) -> cdk.Stack:
    stack = new_stack()
    add(stack, source)
    return stack


def queues(stack: cdk.Stack) -> tuple[str, str]:
    """Logical ids of the queue and of the dead-letter queue."""
    main, dead = sorted(resources(stack, "AWS::SQS::Queue"), reverse=True)
    return main, dead


@pytest.fixture(scope="module")
def queue(stack: cdk.Stack) -> dict[str, Any]:
    properties: dict[str, Any] = resources(stack, "AWS::SQS::Queue")[queues(stack)[0]]["Properties"]
    return properties


@pytest.fixture(scope="module")
def dead_letters(stack: cdk.Stack) -> dict[str, Any]:
    properties: dict[str, Any] = resources(stack, "AWS::SQS::Queue")[queues(stack)[1]]["Properties"]
    return properties


def test_a_message_is_hidden_for_six_timeouts(queue: dict[str, Any]) -> None:
    """No second copy of a message starts while the function may still be at work on the first."""
    assert queue["VisibilityTimeout"] == 6 * 30


def test_a_message_that_keeps_failing_becomes_a_dead_letter(
    stack: cdk.Stack, queue: dict[str, Any], dead_letters: dict[str, Any]
) -> None:
    """After five deliveries it moves to a queue where it can still be seen when it was old already."""
    _, dead = queues(stack)
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": 5}
    assert queue["MessageRetentionPeriod"] == 4 * DAY
    assert dead_letters["MessageRetentionPeriod"] == 14 * DAY


def test_messages_succeed_and_fail_one_by_one(stack: cdk.Stack) -> None:
    """The function reports which messages failed, and so many copies of it run that something behind it survives."""
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    main, _ = queues(stack)
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [main, "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert mapping["BatchSize"] == 10


def test_lambda_polls_once_it_may(stack: cdk.Stack) -> None:
    """The mapping is made after the policy that lets its function receive."""
    ((_, mapping),) = resources(stack, "AWS::Lambda::EventSourceMapping").items()
    (policy,) = resources(stack, "AWS::IAM::Policy")
    assert policy in mapping["DependsOn"]


def test_what_was_done_is_remembered_where_the_runtime_looks(stack: cdk.Stack) -> None:
    """One table in one region, keyed and expiring by the attributes that Powertools writes."""
    table = only(stack, "AWS::DynamoDB::Table")
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_consumer_is_told_where_everything_is(stack: cdk.Stack) -> None:
    """The runtime reads queue, table and memory from the environment."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    assert variables["RESILIENCE_DEAD_LETTER_QUEUE_URL"] == {"Ref": queues(stack)[1]}
    assert variables["RESILIENCE_IDEMPOTENCY_TABLE"] == {"Ref": table}
    assert variables["RESILIENCE_REMEMBER_SECONDS"] == str(DAY)


@pytest.mark.requirement("SEC-02", "LIB-07")
def test_messages_and_memory_are_encrypted_and_outlive_the_stack(stack: cdk.Stack) -> None:
    """Dead letters included: encrypted at rest, reached over TLS only, kept when the stack is deleted."""
    for kind in ("AWS::SQS::Queue", "AWS::DynamoDB::Table"):
        for resource in resources(stack, kind).values():
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    assert all(made["Properties"]["SqsManagedSseEnabled"] for made in resources(stack, "AWS::SQS::Queue").values())
    policies = resources(stack, "AWS::SQS::QueuePolicy").values()
    assert sorted(policy["Properties"]["Queues"][0]["Ref"] for policy in policies) == sorted(queues(stack))
    assert all('{"aws:SecureTransport": "false"}' in json.dumps(policy) for policy in policies)
    table = only(stack, "AWS::DynamoDB::Table")
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.requirement("SEC-01")
def test_the_consumer_may_receive_give_up_and_remember_only(stack: cdk.Stack) -> None:
    """Beside its own logs and traces, each right names the one resource it is for."""
    main, dead = queues(stack)
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    granted = {
        action: statement["Resource"]
        for statement in statements(stack)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    own = {action: resource for action, resource in granted.items() if not action.startswith(("logs:", "xray:"))}
    receiving = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
    remembering = ("GetItem", "PutItem", "UpdateItem", "DeleteItem")
    assert own == {
        **{f"sqs:{action}": {"Fn::GetAtt": [main, "Arn"]} for action in receiving},
        "sqs:SendMessage": {"Fn::GetAtt": [dead, "Arn"]},
        **{f"dynamodb:{action}": {"Fn::GetAtt": [table, "Arn"]} for action in remembering},
    }


def test_a_sender_may_send_and_not_receive(source: Path) -> None:
    """`grant_send` gives what sending takes, on the queue and not on the dead letters."""
    stack = new_stack()
    events = add(stack, source)
    sender = iam.Role(stack, "Sender", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    events.grant_send(sender)
    (granted,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for logical_id, policy in resources(stack, "AWS::IAM::Policy").items()
        if logical_id.startswith("Sender")
    )
    (statement,) = granted
    assert statement["Resource"] == {"Fn::GetAtt": [queues(stack)[0], "Arn"]}
    assert set(statement["Action"]) == {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}


def test_each_alarm_watches_a_metric_that_exists(stack: cdk.Stack) -> None:
    """Dead letters at once, and waiting messages at a quarter, half and four fifths of the time they are kept."""
    main, dead = queues(stack)
    (function,) = resources(stack, "AWS::Lambda::Function")
    watched = {
        (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]): (alarm["Dimensions"], alarm["Statistic"])
        for alarm in (found["Properties"] for found in resources(stack, "AWS::CloudWatch::Alarm").values())
    }
    of_queue = [{"Name": "QueueName", "Value": {"Fn::GetAtt": [main, "QueueName"]}}]
    of_dead_letters = [{"Name": "QueueName", "Value": {"Fn::GetAtt": [dead, "QueueName"]}}]
    of_function = [{"Name": "FunctionName", "Value": {"Ref": function}}]
    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1): (of_dead_letters, "Maximum"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", 1 * DAY): (of_queue, "Maximum"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", 2 * DAY): (of_queue, "Maximum"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", 3.2 * DAY): (of_queue, "Maximum"),
        ("AWS/Lambda", "Errors", 1): (of_function, "Sum"),
        ("AWS/Lambda", "Throttles", 1): (of_function, "Sum"),
    }
    treatments = {
        found["Properties"]["TreatMissingData"] for found in resources(stack, "AWS::CloudWatch::Alarm").values()
    }
    assert treatments == {"notBreaching"}


def test_alarms_holds_every_alarm(source: Path) -> None:
    """Whoever wires `alarms` to a topic has wired them all, the consumer's too."""
    stack = new_stack()
    paths = {alarm.node.path for alarm in add(stack, source).alarms}
    assert len(paths) == len(resources(stack, "AWS::CloudWatch::Alarm"))


def test_metrics_are_those_of_these_queues(source: Path) -> None:
    """Each metric method names the SQS metric it stands for."""
    made = add(new_stack(), source)
    metrics = [made.metric_dead_letters(), made.metric_backlog_age(), made.metric_backlog()]
    assert [metric.metric_name for metric in metrics] == [
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    ]


@pytest.mark.requirement("LIB-05")
def test_defaults_can_be_overridden(source: Path) -> None:
    """Every option reaches the template."""
    stack = new_stack()
    add(
        stack,
        source,
        max_concurrency=2,
        max_receive_count=8,
        batch_size=100,
        retention=Duration.days(13),
        remember_for=Duration.days(2),
    )
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    # A batch of more than ten takes a window in which to gather it.
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (100, 1)
    queue = resources(stack, "AWS::SQS::Queue")[queues(stack)[0]]["Properties"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 8
    assert queue["MessageRetentionPeriod"] == 13 * DAY
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_REMEMBER_SECONDS"] == str(2 * DAY)


@pytest.mark.requirement("LIB-04")
def test_a_consumer_serves_one_queue_only(source: Path) -> None:
    """A function given to a second queue is refused, and the error names all three."""
    stack = new_stack()
    shared = add(stack, source).consumer
    with pytest.raises(ValueError, match=r"'Stack/Actions'.*'Stack/EventsProcess'.*'Stack/Events'"):
        IdempotentConsumer(stack, "Actions", consumer=shared)


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one copy at a time": ({"max_concurrency": 1}, ["max_concurrency", "2 and 1000", "got 1", "disable its mapping"]),
    "no delivery": ({"max_receive_count": 0}, ["max_receive_count", "1 and 1000", "got 0"]),
    "an empty batch": ({"batch_size": 0}, ["batch_size", "1 and 10000", "got 0"]),
    "a retention as long as that of dead letters": (
        {"retention": Duration.days(14)},
        ["retention", "1 minute and 13 days", "got 14 days", "dead letters"],
    ),
    "a retention shorter than the deliveries": (
        {"retention": Duration.minutes(15)},
        ["retention", "max_receive_count 5", "3 minutes each (15 minutes)", "got 15 minutes", "expire"],
    ),
    "a memory shorter than the deliveries": (
        {"remember_for": Duration.minutes(10)},
        ["remember_for", "max_receive_count 5", "(15 minutes)", "got 10 minutes", "repeat"],
    ),
    "more concurrency than is reserved": (
        {"function": {"reserved_concurrency": 5}},
        ["max_concurrency", "max_concurrency 10", "reserved_concurrency 5", "lower max_concurrency"],
    ),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str, source: Path) -> None:
    """The error names the option, or both that collide, what was given, what is allowed and the way out."""
    options, words = REFUSED[case]
    with pytest.raises(ValueError, match=words[0]) as refused:
        add(new_stack(), source, **options)
    for word in words:
        assert word in str(refused.value)


def test_values_that_are_resolved_later_are_passed_on_unread(source: Path) -> None:
    """Deploy-time parameters may set numbers and times; an unknown timeout counts as the longest there is."""
    stack = new_stack()
    parameter = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    later = Duration.seconds(parameter)
    add(
        stack,
        source,
        max_concurrency=parameter,
        max_receive_count=parameter,
        batch_size=parameter,
        retention=later,
        remember_for=later,
        function={"timeout": later, "reserved_concurrency": parameter},
    )
    queue = resources(stack, "AWS::SQS::Queue")[queues(stack)[0]]["Properties"]
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    number = {"Ref": "Number"}
    assert queue["RedrivePolicy"]["maxReceiveCount"] == queue["MessageRetentionPeriod"] == number
    assert mapping["BatchSize"] == mapping["ScalingConfig"]["MaximumConcurrency"] == number
    assert queue["VisibilityTimeout"] == 6 * 15 * 60
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_REMEMBER_SECONDS"] == number


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_keeps_its_identity(stack: cdk.Stack) -> None:
    """Queues and table have the same logical ids in every release: another id would leave what they hold behind."""
    assert queues(stack) == ("EventsQueue7396B467", "EventsDeadLetters8A90034E")
    assert list(resources(stack, "AWS::DynamoDB::Table")) == ["EventsDoneACAAD482"]


@pytest.mark.requirement("LIB-07")
def test_teardown_can_be_asked_for(source: Path) -> None:
    """A stack for a try-out deletes all it made, if it says so of each part."""
    stack = new_stack()
    events = add(stack, source)
    for part in (events.queue, events.dead_letter_queue, events.idempotency_table):
        part.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    table = cast("dynamodb.CfnTable", events.idempotency_table.node.default_child)
    table.deletion_protection_enabled = False
    for kind in ("AWS::SQS::Queue", "AWS::DynamoDB::Table"):
        assert {resource["DeletionPolicy"] for resource in resources(stack, kind).values()} == {"Delete"}
    assert only(stack, "AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is False
