"""The real parts of a queue consumer."""

import random
import time
from collections.abc import Callable

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.dead_letters import SqsDeadLetters
from constructs_lib.runtime.effects import AnyEffect
from constructs_lib.runtime.engines import engine_of
from constructs_lib.runtime.failure_notes import NoNotes, TableNotes
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.own_queue import SqsOwnQueue
from constructs_lib.runtime.queue_consumer import QueuePorts
from constructs_lib.runtime.queue_holds import Holds
from constructs_lib.runtime.settings import QueueSettings


def from_environment(effect: AnyEffect) -> Callable[[], QueuePorts]:
    """Load what *effect* needs; return how the ports are made from the function's environment settings."""
    make_engine = engine_of(effect)

    def make() -> QueuePorts:
        settings = QueueSettings.from_environment()
        store = settings.idempotency
        sqs = client("sqs")
        return QueuePorts(
            queue=SqsOwnQueue(client=sqs, queue_url=settings.queue_url, sideline_url=settings.sideline_queue_url),
            dead_letters=SqsDeadLetters(client=sqs, queue_url=settings.dead_letter_queue_url),
            notes=TableNotes(client=client("dynamodb"), table=store.table) if store else NoNotes(),
            holds=Holds(
                max_receive_count=settings.max_receive_count,
                retention_seconds=settings.retention_seconds,
                jitter=random.random,
            ),
            engine=make_engine(store),
            watch=JsonWatch(namespace=settings.namespace, dimensions={"service": settings.service}),
            now=time.time,
        )

    return make
