"""The real parts of a queue consumer."""

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.dead_letters import SqsDeadLetters
from constructs_lib.runtime.idempotency import Guard, Once, unguarded
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.queue_consumer import QueuePorts
from constructs_lib.runtime.settings import IdempotencySettings, QueueSettings


def from_environment() -> QueuePorts:
    """Make the ports from the function's environment settings."""
    settings = QueueSettings.from_environment()
    return QueuePorts(
        dead_letters=SqsDeadLetters(client=client("sqs"), queue_url=settings.dead_letter_queue_url),
        guard=_guard(settings.idempotency),
        watch=JsonWatch(namespace=settings.namespace, dimensions={"service": settings.service}),
    )


def _guard(settings: IdempotencySettings | None) -> Guard:
    if settings is None:
        return unguarded
    store = DynamoDBPersistenceLayer(table_name=settings.table, boto3_client=client("dynamodb"))
    return Once(store, remember_seconds=settings.remember_seconds)
