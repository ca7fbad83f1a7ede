"""The same job for the same queue with everything that Powertools has for it: the baseline."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import BaseModel, parse


class Message(BaseModel):
    """What a message's body holds."""

    id: str
    key: str
    tenant: str
    correlation_id: str
    created: str
    body: dict[str, Any]


logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS)
store = DynamoDBPersistenceLayer(table_name=os.environ["RESILIENCE_IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(event_key_jmespath="id", expires_after_seconds=86_400)


@idempotent_function(data_keyword_argument="message", persistence_store=store, config=config)
def keep(message: dict[str, Any]) -> None:
    """Do what any handler does with a message, at no cost."""


@tracer.capture_method
def handle_message(record: SQSRecord) -> None:
    """Read one message and settle it."""
    message = parse(event=record.json_body, model=Message)
    keep(message=message.model_dump())
    metrics.add_metric(name="MessagesDone", unit=MetricUnit.Count, value=1)
    logger.info("message done")


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handle(event: dict[str, Any], context: Any) -> Any:
    """Settle a batch."""
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=handle_message, processor=processor, context=context)
