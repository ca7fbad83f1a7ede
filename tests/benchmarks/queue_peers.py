"""What the queue consumer is compared with: Powertools' batch processor with its idempotency, one record at a time."""

import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
    idempotent_function,
)

TABLE = "powertools"
_PACKAGE = "aws_lambda_powertools.utilities.idempotency"
_CLOCKS = ("base", "persistence.base", "persistence.datarecord", "persistence.dynamodb")


def powertools(
    effect: Callable[[Mapping[str, Any]], object], client: Any
) -> Callable[[Mapping[str, Any], Any], Mapping[str, Any]]:
    """A Lambda handler that does *effect* once per envelope, as Powertools' documentation combines the two.

    Args:
        effect: Called with the envelope.
        client: DynamoDB client of the table where Powertools keeps what is done.
    """
    store = DynamoDBPersistenceLayer(table_name=TABLE, boto3_client=client)
    config = IdempotencyConfig(event_key_jmespath="id")

    @idempotent_function(data_keyword_argument="envelope", config=config, persistence_store=store)
    def once(*, envelope: Mapping[str, Any]) -> None:
        effect(envelope)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def handle(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        config.register_lambda_context(context)
        return process_partial_response(
            event=dict(event),
            record_handler=lambda record: once(envelope=json.loads(record.body)),
            processor=processor,
            context=context,
        )

    return handle


def powertools_answer(work: Callable[[Any], object], client: Any) -> Callable[[Any, Any], object]:
    """A Lambda handler that does *work* once per `id` of its event.

    Args:
        work: Called with the event.
        client: DynamoDB client of the table where Powertools keeps what is done.
    """
    store = DynamoDBPersistenceLayer(table_name=TABLE, boto3_client=client)

    @idempotent(persistence_store=store, config=IdempotencyConfig(event_key_jmespath="id"))
    def handle(event: Any, context: Any) -> object:
        return work(event)

    return handle


@contextmanager
def powertools_clock(now: Callable[[], float]) -> Iterator[None]:
    """Have Powertools' idempotency take the time from *now*, seconds since 1970."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls.fromtimestamp(now(), tz)

    module = SimpleNamespace(datetime=Clock, timedelta=datetime.timedelta)
    patches = [patch(f"{_PACKAGE}.{name}.dt" if name != "base" else f"{_PACKAGE}.base.dt", module) for name in _CLOCKS]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()
