"""Makes the queues of a consumer, has Lambda poll them, and lets the function do what the runtime does with them."""

from collections.abc import Sequence

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib._consumer_queue import DEAD_LETTER_RETENTION, MessageQueue

# Lambda receives and deletes in the function's name; the runtime puts messages off.
_WORK_OFF = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")


def dead_letter_queue(scope: Construct, *, ordered: bool) -> sqs.Queue:
    """A queue for what failed, kept as long as SQS keeps anything."""
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        fifo=ordered or None,
        retention_period=DEAD_LETTER_RETENTION,
        removal_policy=RemovalPolicy.RETAIN,
    )
    for rule in ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"):
        Validations.of(queue).acknowledge(Acknowledgment(id=rule, reason="It is itself a dead-letter queue."))
    return queue


def message_queue(
    scope: Construct, id: str, options: MessageQueue, *, dead_letters: sqs.IQueue, hidden: Duration
) -> sqs.Queue:
    """A queue as *options* want it, that gives up to *dead_letters* and hides a delivered message for *hidden*."""
    return sqs.Queue(
        scope,
        id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        fifo=options.ordered or None,
        retention_period=options.retention,
        visibility_timeout=hidden,
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=options.max_receive_count),
        removal_policy=RemovalPolicy.RETAIN,
    )


def poll(
    scope: Construct,
    id: str,
    consumer: lambda_.Function,
    queue: sqs.IQueue,
    *,
    batch_size: int,
    window: Duration | None,
    max_concurrency: int,
) -> lambda_.EventSourceMapping:
    """Have Lambda invoke *consumer* with the messages of *queue*."""
    mapping = lambda_.EventSourceMapping(
        scope,
        id,
        target=consumer,
        event_source_arn=queue.queue_arn,
        batch_size=batch_size,
        max_batching_window=window,
        # With partial responses Lambda does not slow down when messages fail; this is what bounds it.
        max_concurrency=max_concurrency,
        report_batch_item_failures=True,
    )
    Validations.of(mapping).acknowledge(
        Acknowledgment(
            id="Serverless-LambdaEventSourceMappingDestination",
            reason="Mappings of queues have no failure destination; the queue's redrive policy has one.",
        )
    )
    return mapping


def let_work_off(
    consumer: lambda_.Function, queues: Sequence[sqs.IQueue], dead_letters: sqs.IQueue, *, ordered: bool
) -> iam.Grant:
    """Let *consumer* work off *queues*, and send what failed to *dead_letters*.

    A message that is held too often is sent to its queue anew, which would break the order of a FIFO queue.
    """
    arns = [queue.queue_arn for queue in queues]
    granted = iam.Grant.add_to_principal(
        grantee=consumer, actions=[f"sqs:{action}" for action in _WORK_OFF], resource_arns=arns
    ).combine(
        iam.Grant.add_to_principal(
            grantee=consumer,
            actions=["sqs:SendMessage"],
            resource_arns=[dead_letters.queue_arn] if ordered else [dead_letters.queue_arn, *arns],
        )
    )
    for queue in (*queues, dead_letters):
        # Only a queue that was there already can have a key of its owner's; whoever sends needs a data key of it.
        if key := queue.encryption_master_key:
            granted = granted.combine(key.grant_encrypt_decrypt(consumer))
    return granted


def let_messages_return(consumer: lambda_.Function) -> None:
    """Let *consumer* send messages to the queue that invokes it, as often as they are held.

    Lambda would stop such a loop after about 16 rounds, and the message with it: an outage of some hours.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    function = consumer.node.default_child
    assert isinstance(function, lambda_.CfnFunction), "a Function holds a CfnFunction"
    function.recursive_loop = "Allow"
