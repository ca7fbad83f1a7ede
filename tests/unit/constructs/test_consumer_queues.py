"""Which queues a consumer of messages can work off: in order, one that is there already, and a sideline."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements

DAY = 24 * 60 * 60
HELD_BACK = "arn:aws:sqs:eu-west-1:123456789012:orders"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, **options: Any) -> IdempotentConsumer:
    return IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source), **options)


def properties(stack: cdk.Stack, name: str) -> dict[str, Any]:
    """Of the one queue whose logical id has *name* in it."""
    (queue,) = (queue for logical_id, queue in resources(stack, "AWS::SQS::Queue").items() if name in logical_id)
    return dict(queue["Properties"])


def sending(stack: cdk.Stack) -> list[Any]:
    """What some role in *stack* may send to."""
    return [
        resource
        for statement in statements(stack)
        if "sqs:SendMessage" in statement["Action"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    ]


def test_a_fifo_queue_gives_up_to_a_fifo_queue(source: Path) -> None:
    """SQS takes no other; and equal bodies are not taken for copies, because senders name their messages."""
    stack = new_stack()
    add(stack, source, queue=MessageQueue.fifo())
    for name in ("OrdersQueue", "OrdersDeadLetters"):
        made = properties(stack, name)
        assert made["FifoQueue"] is True
        assert "ContentBasedDeduplication" not in made


def test_a_fifo_queue_is_polled_without_a_window(source: Path) -> None:
    """Lambda knows none for it, and at most ten messages."""
    stack = new_stack()
    add(stack, source, queue=MessageQueue.fifo())
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    assert mapping["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in mapping
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 10}


def test_nothing_is_sent_to_a_fifo_queue_anew(source: Path) -> None:
    """It would come out of order, so the consumer may not even do so."""
    stack = new_stack()
    add(stack, source, queue=MessageQueue.fifo())
    (dead,) = (name for name in resources(stack, "AWS::SQS::Queue") if "DeadLetters" in name)
    assert sending(stack) == [{"Fn::GetAtt": [dead, "Arn"]}]


@pytest.mark.requirement("MSG-10")
def test_a_sideline_is_a_second_queue_with_few_invocations(source: Path) -> None:
    """It differs from the first one in its name and in how many invocations work it off."""
    stack = new_stack()
    orders = add(stack, source, sideline_concurrency=2, batch_size=20)
    assert properties(stack, "OrdersSideline") == properties(stack, "OrdersQueue")
    mappings = {
        mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]: mapping
        for mapping in resources(stack, "AWS::Lambda::EventSourceMapping").values()
    }
    main, side = (next(of for name, of in mappings.items() if part in name) for part in ("Queue", "Sideline"))
    assert main["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert side["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 2}
    for option in ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "FunctionName"):
        assert main["Properties"][option] == side["Properties"][option]
    assert main["DependsOn"] == side["DependsOn"]
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_SIDELINE_QUEUE_URL"] == stack.resolve(orders.sideline_queue.queue_url)  # type: ignore[union-attr]  # there


@pytest.mark.requirement("MSG-10")
def test_who_may_send_may_send_to_the_sideline(source: Path) -> None:
    """The sender decides which tenant has to wait aside."""
    stack = new_stack()
    orders = add(stack, source, sideline_concurrency=2)
    orders.grant_send(iam.Role(stack, "Sender", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    (granted,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in resources(stack, "AWS::IAM::Policy").items()
        if name.startswith("Sender")
    )
    queues = {name for name in resources(stack, "AWS::SQS::Queue") if "DeadLetters" not in name}
    assert {statement["Resource"]["Fn::GetAtt"][0] for statement in granted} == queues
    assert len(queues) == 2


@pytest.mark.requirement("LIB-06")
def test_a_sideline_changes_nothing_that_holds_data(source: Path) -> None:
    """It can be added to a running consumer, and taken away again."""
    without, with_one = new_stack(), new_stack()
    add(without, source)
    add(with_one, source, sideline_concurrency=2)
    for kind in ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::Lambda::EventSourceMapping"):
        for logical_id, resource in resources(without, kind).items():
            assert resources(with_one, kind)[logical_id] == resource


def test_a_consumer_can_work_off_a_queue_that_is_there(source: Path) -> None:
    """It makes no queue of its own, and reckons with what it is told about that one."""
    stack = new_stack()
    held = sqs.Queue.from_queue_arn(stack, "Held", HELD_BACK)
    dead = sqs.Queue.from_queue_arn(stack, "Dead", f"{HELD_BACK}-dead")
    orders = add(
        stack,
        source,
        queue=MessageQueue.existing(held, dead_letter_queue=dead, retention=Duration.days(7), max_receive_count=9),
    )
    assert (orders.queue, orders.dead_letter_queue) == (held, dead)
    assert resources(stack, "AWS::SQS::Queue") == {}
    assert only(stack, "AWS::Lambda::EventSourceMapping")["EventSourceArn"] == HELD_BACK
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_MAX_RECEIVE_COUNT"] == "9"
    assert variables["RESILIENCE_QUEUE_RETENTION_SECONDS"] == str(7 * DAY)
    assert sending(stack) == [f"{HELD_BACK}-dead", HELD_BACK]


def there(
    stack: cdk.Stack,
    *,
    told_days: int = 4,
    told_deliveries: int = 5,
    dead_days: int = 14,
    redrive: bool = True,
    **made: Any,
) -> MessageQueue:
    """A queue of the app as it is made, and as the consumer is told of it."""
    dead = sqs.Queue(stack, "Dead", retention_period=Duration.days(dead_days))
    policy = sqs.DeadLetterQueue(queue=dead, max_receive_count=5) if redrive else None
    options = {"visibility_timeout": Duration.minutes(3), **made}
    return MessageQueue.existing(
        sqs.Queue(stack, "Held", dead_letter_queue=policy, **options),
        dead_letter_queue=dead,
        retention=Duration.days(told_days),
        max_receive_count=told_deliveries,
    )


def test_a_queue_of_the_app_that_is_set_well_is_taken(source: Path) -> None:
    """Where nothing is said, SQS keeps messages for four days."""
    stack = new_stack()
    add(stack, source, queue=there(stack))
    assert len(resources(stack, "AWS::Lambda::EventSourceMapping")) == 1


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "shown too soon": (
        {"visibility_timeout": Duration.seconds(179)},
        r"'Stack/Held' must hide a message for at least 3 minutes.*got a visibility timeout of 179 seconds",
    ),
    "shown after SQS's own time": ({"visibility_timeout": None}, r"got a visibility timeout of 30 seconds"),
    "never given up": ({"redrive": False}, r"'Stack/Held' must have a redrive policy, got none.*give it"),
    "given up otherwise": ({"told_deliveries": 9}, r"max_receive_count must be that.*'Stack/Held', got 9 for 5"),
    "kept otherwise": (
        {"told_days": 7},
        r"retention must be what.*got 7 days for a queue that keeps messages for 4 days",
    ),
    "dead letters gone at once": (
        {"dead_days": 4},
        r"'Stack/Dead' must keep letters for longer than 4 days.*got 4 days.*raise its retention",
    ),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", MISFITS)
def test_a_queue_of_the_app_that_does_not_fit_is_refused(case: str, source: Path) -> None:
    """What can be seen at synth is looked at: what is told must be so, and must be enough."""
    options, words = MISFITS[case]
    stack = new_stack()
    with pytest.raises(ValueError, match=words):
        add(stack, source, queue=there(stack, **options))


@pytest.mark.requirement("SEC-01")
def test_a_queue_with_a_key_of_its_owner_can_be_worked_off(source: Path) -> None:
    """What it holds can be read, and what is sent to it can be encrypted."""
    stack = new_stack()
    key = kms.Key(stack, "Key")
    add(stack, source, queue=there(stack, encryption_master_key=key))
    (name,) = resources(stack, "AWS::KMS::Key")
    (actions,) = (
        statement["Action"] for statement in statements(stack) if statement["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    )
    assert set(actions) == {"kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"}


@pytest.mark.requirement("LIB-04")
def test_a_dead_letter_queue_of_another_kind_is_refused() -> None:
    """SQS would refuse it too, but only when it is deployed."""
    stack = new_stack()
    queue = sqs.Queue.from_queue_arn(stack, "Held", f"{HELD_BACK}.fifo")
    dead = sqs.Queue.from_queue_arn(stack, "Dead", HELD_BACK)
    with pytest.raises(ValueError, match=r"FIFO queue 'Stack/Held' with standard queue 'Stack/Dead'"):
        MessageQueue.existing(queue, dead_letter_queue=dead, retention=Duration.days(4), max_receive_count=5)
