"""Events queue to alerts table, providers' streams and escalation."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from constructs_lib.runtime import DependencyUnavailable, Inherent, PermanentFailure, Record, queue_consumer
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.clients import client
from constructs_lib.runtime.deadline import InvocationContext
from constructs_lib.runtime.queue_consumer import QueuePorts
from lambdas.process_event.adapters import EscalationWorkflow, pause_at_random
from lambdas.process_event.aggregation import Aggregator, CrowdedError
from lambdas.process_event.domain import Processor, RejectedEventError
from lambdas.process_event.settings import Settings
from lambdas.shared.alert_repository import AlertRepository
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.aws_failures import hold_while_aws_is_away
from lambdas.shared.codes import Code, coded_log
from lambdas.shared.command_streams import CommandMessages, UnknownProviderError
from lambdas.shared.messages import MalformedMessageError, ReceivedEvent
from lambdas.shared.raw_events import RawEventRepository
from lambdas.shared.tenants import TenantRepository


def from_environment() -> Processor:
    """The processor of a function on AWS, or on the local cloud."""
    settings = Settings.from_environment()
    tables = client("dynamodb", CONFIG)
    return Processor(
        tenants=TenantRepository(tables, settings.tenants_table),
        aggregator=Aggregator(
            alerts=AlertRepository(tables, settings.alerts_table, settings.region), pause=pause_at_random
        ),
        raw_events=RawEventRepository(tables, settings.alerts_table, settings.region),
        commands=CommandMessages(settings.streams),
        escalations=EscalationWorkflow(client("stepfunctions", CONFIG), settings.escalation_arn),
        log=coded_log(Logger()),
    )


def make_handler(
    load: Callable[[], Processor], *, load_queue: Callable[[], QueuePorts] | None = None
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Build the handler; *load* and *load_queue* run on the first event, never on import."""
    processor = cache(load)

    def handle_message(record: Record) -> object:
        ready = processor()
        try:
            event = ReceivedEvent.from_body(record.body)
            with hold_while_aws_is_away():
                return ready.process(
                    event,
                    event_id=record.id,
                    tenant=record.tenant,
                    correlation_id=record.correlation_id,
                    replay=record.replay,
                )
        except (MalformedMessageError, RejectedEventError, UnknownProviderError) as error:
            ready.log(Code.EVT_REJECTED, tenant=record.tenant, event_id=record.id, reason=str(error))
            raise PermanentFailure(str(error)) from error
        except CrowdedError as error:
            raise DependencyUnavailable(str(error)) from error

    return queue_consumer(handle_message, effect=Inherent(), load=load_queue)


handle = make_handler(from_environment)
