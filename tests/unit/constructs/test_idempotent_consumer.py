"""What the template of an idempotent consumer promises."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
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


@pytest.mark.requirement("MSG-01", "MSG-07")
def test_a_message_that_keeps_failing_becomes_a_dead_letter(
    stack: cdk.Stack, queue: dict[str, Any], dead_letters: dict[str, Any]
) -> None:
    """After five deliveries it moves to a queue where it can still be seen when it was old already; until then it waits
    for days if nobody takes it.
    """
    _, dead = queues(stack)
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": 5}
    assert queue["MessageRetentionPeriod"] == 4 * DAY
    assert dead_letters["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.requirement("MSG-02")
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
    """One table in one region, keyed and expiring by the attributes that the runtime writes."""
    table = only(stack, "AWS::DynamoDB::Table")
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_consumer_is_told_where_everything_is(stack: cdk.Stack) -> None:
    """The runtime reads queues, table and memory from the environment; what is the default it is not told."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    main, dead = queues(stack)
    assert {name: value for name, value in variables.items() if name.startswith("RESILIENCE_")} == {
        "RESILIENCE_QUEUE_URL": {"Ref": main},
        "RESILIENCE_MAX_RECEIVE_COUNT": "5",
        "RESILIENCE_QUEUE_RETENTION_SECONDS": str(4 * DAY),
        "RESILIENCE_DEAD_LETTER_QUEUE_URL": {"Ref": dead},
        "RESILIENCE_IDEMPOTENCY_TABLE": {"Ref": table},
        "RESILIENCE_REMEMBER_SECONDS": str(15 * DAY),
    }


def test_no_copy_outlives_its_memory(stack: cdk.Stack) -> None:
    """What was done is known for longer than the queues keep a message, the dead-letter queue included."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    kept = [queue["Properties"]["MessageRetentionPeriod"] for queue in resources(stack, "AWS::SQS::Queue").values()]
    assert int(variables["RESILIENCE_REMEMBER_SECONDS"]) > max(kept)


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
        (action, json.dumps(statement["Resource"], sort_keys=True))
        for statement in statements(stack)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if not action.startswith(("logs:", "xray:"))
    }
    on_queue, on_dead_letters, on_table = ({"Fn::GetAtt": [name, "Arn"]} for name in (main, dead, table))
    assert {resource for action, resource in granted if action.startswith("dynamodb:")} == {json.dumps(on_table)}
    assert {(action, resource) for action, resource in granted if action.startswith("sqs:")} == {
        *(
            (f"sqs:{action}", json.dumps(on_queue))
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
        ),
        # What is held too often is sent to its queue anew.
        ("sqs:SendMessage", json.dumps([on_dead_letters, on_queue])),
    }


def test_a_message_may_be_held_as_often_as_it_takes(stack: cdk.Stack, source: Path) -> None:
    """Lambda stops loops over queues after some rounds; a held message is one, except in a FIFO queue."""
    assert only(stack, "AWS::Lambda::Function")["RecursiveLoop"] == "Allow"
    ordered = new_stack()
    add(ordered, source, queue=MessageQueue.fifo())
    assert "RecursiveLoop" not in only(ordered, "AWS::Lambda::Function")


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
        queue=MessageQueue.standard(retention=Duration.days(13), max_receive_count=8),
        max_concurrency=2,
        batch_size=100,
        remember_for=Duration.days(2),
    )
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    # A batch of more than ten takes a window in which to gather it.
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (100, 1)
    queue = resources(stack, "AWS::SQS::Queue")[queues(stack)[0]]["Properties"]
    # That second counts for how long messages are hidden.
    assert queue["VisibilityTimeout"] == 6 * 30 + 1
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 8
    assert queue["MessageRetentionPeriod"] == 13 * DAY
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_REMEMBER_SECONDS"] == str(2 * DAY)
    assert variables["RESILIENCE_MAX_RECEIVE_COUNT"] == "8"
    assert variables["RESILIENCE_QUEUE_RETENTION_SECONDS"] == str(13 * DAY)


@pytest.mark.requirement("LIB-04")
def test_a_consumer_serves_one_queue_only(source: Path) -> None:
    """A function given to a second queue is refused, and the error names all three."""
    stack = new_stack()
    shared = add(stack, source).consumer
    with pytest.raises(ValueError, match=r"'Stack/Actions'.*'Stack/EventsProcess'.*'Stack/Events'"):
        IdempotentConsumer(stack, "Actions", consumer=shared)


REFUSED: dict[str, tuple[Callable[[], dict[str, Any]], list[str]]] = {
    "one copy at a time": (
        lambda: {"max_concurrency": 1},
        ["max_concurrency", "2 and 1000", "got 1", "disable its mapping"],
    ),
    "a sideline of one": (
        lambda: {"sideline_concurrency": 1},
        ["sideline_concurrency", "2 and 1000", "got 1", "leave it out"],
    ),
    "a sideline without order": (
        lambda: {"queue": MessageQueue.fifo(), "sideline_concurrency": 2},
        ["sideline_concurrency", "got 2", "overtake", "MessageQueue.standard()"],
    ),
    "no delivery": (
        lambda: {"queue": MessageQueue.standard(max_receive_count=0)},
        ["max_receive_count", "1 and 1000", "got 0"],
    ),
    "an empty batch": (lambda: {"batch_size": 0}, ["batch_size", "1 and 10000", "got 0"]),
    "more than Lambda takes in order": (
        lambda: {"queue": MessageQueue.fifo(), "batch_size": 11},
        ["batch_size", "1 and 10", "got 11", "FIFO"],
    ),
    "a retention as long as that of dead letters": (
        lambda: {"queue": MessageQueue.fifo(retention=Duration.days(14))},
        ["retention", "1 minute and 13 days", "got 14 days", "dead letters"],
    ),
    "a retention shorter than the deliveries": (
        lambda: {"queue": MessageQueue.standard(retention=Duration.minutes(15)), "remember_for": Duration.days(1)},
        ["retention", "max_receive_count 5", "3 minutes each (15 minutes)", "got 15 minutes", "expire"],
    ),
    "a memory shorter than the deliveries": (
        lambda: {"remember_for": Duration.minutes(10)},
        ["remember_for", "max_receive_count 5", "(15 minutes)", "got 10 minutes", "repeat"],
    ),
    "more concurrency than is reserved": (
        lambda: {"function": {"reserved_concurrency": 5}},
        ["max_concurrency", "max_concurrency 10", "reserved_concurrency 5", "lower max_concurrency"],
    ),
    "more concurrency than is reserved for both": (
        lambda: {"function": {"reserved_concurrency": 11}, "sideline_concurrency": 2},
        ["max_concurrency 10, sideline_concurrency 2", "reserved_concurrency 11"],
    ),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str, source: Path) -> None:
    """The error names the option, or both that collide, what was given, what is allowed and the way out."""
    options, words = REFUSED[case]
    with pytest.raises(ValueError, match=words[0]) as refused:
        add(new_stack(), source, **options())
    for word in words:
        assert word in str(refused.value)


@pytest.mark.requirement("LIB-04")
def test_a_table_that_is_replicated_later_is_no_store(source: Path) -> None:
    """Two regions would both find that a message was not done yet; the error says so."""
    stack = new_stack()
    table = dynamodb.TableV2.from_table_name(stack, "Shared", "shared")
    with pytest.raises(TypeError, match=r"store must be a StronglyConsistentStore.*replicated eventually"):
        add(stack, source, store=table)


def test_values_that_are_resolved_later_are_passed_on_unread(source: Path) -> None:
    """Deploy-time parameters may set numbers and times; what is not known counts as the longest there is."""
    stack = new_stack()
    parameter: Any = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    later = Duration.seconds(parameter)
    add(
        stack,
        source,
        queue=MessageQueue.standard(retention=later, max_receive_count=parameter),
        max_concurrency=parameter,
        sideline_concurrency=parameter,
        batch_size=parameter,
        function={"timeout": later, "reserved_concurrency": parameter},
    )
    (queue,) = (
        queue["Properties"] for name, queue in resources(stack, "AWS::SQS::Queue").items() if "EventsQueue" in name
    )
    number = {"Ref": "Number"}
    assert queue["RedrivePolicy"]["maxReceiveCount"] == queue["MessageRetentionPeriod"] == number
    for mapping in resources(stack, "AWS::Lambda::EventSourceMapping").values():
        assert mapping["Properties"]["BatchSize"] == number
        assert mapping["Properties"]["ScalingConfig"]["MaximumConcurrency"] == number
    assert queue["VisibilityTimeout"] == 6 * 15 * 60
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_MAX_RECEIVE_COUNT"] == variables["RESILIENCE_QUEUE_RETENTION_SECONDS"] == number
    ages = {
        alarm["Properties"]["Threshold"]
        for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("MetricName") == "ApproximateAgeOfOldestMessage"
    }
    assert ages == {13 * DAY * percent / 100 for percent in (25, 50, 80)}


def test_a_time_to_remember_may_be_resolved_later(source: Path) -> None:
    """It is passed on as it is."""
    stack = new_stack()
    parameter = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    add(stack, source, remember_for=Duration.seconds(parameter))
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_REMEMBER_SECONDS"] == {"Ref": "Number"}


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
