"""The actions queue to the alerts table and the providers' streams."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from constructs_lib.runtime import DependencyUnavailable, Inherent, PermanentFailure, Record, queue_consumer
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.clients import client
from constructs_lib.runtime.deadline import InvocationContext
from constructs_lib.runtime.queue_consumer import QueuePorts
from lambdas.alert_actions.domain import Desk, RefusedError, UnknownAlertError
from lambdas.alert_actions.settings import Settings
from lambdas.shared.alert import RevisionConflictError
from lambdas.shared.alert_repository import AlertRepository
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.aws_failures import hold_while_aws_is_away
from lambdas.shared.command_streams import CommandMessages, UnknownProviderError
from lambdas.shared.messages import ActionRequest, MalformedMessageError
from lambdas.shared.tenants import TenantRepository


def from_environment() -> Desk:
    """Make the desk from the function's environment."""
    settings = Settings.from_environment()
    tables = client("dynamodb", CONFIG)
    return Desk(
        alerts=AlertRepository(tables, settings.alerts_table, settings.region),
        tenants=TenantRepository(tables, settings.tenants_table),
        messages=CommandMessages(settings.streams),
        region=settings.region,
    )


def make_handler(
    load: Callable[[], Desk], *, load_queue: Callable[[], QueuePorts] | None = None
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Build the handler; *load* and *load_queue* run on the first event, never on import."""
    desk = cache(load)

    def act(record: Record) -> object:
        try:
            request = ActionRequest.from_body(record.body)
            with hold_while_aws_is_away():
                return desk().act(request, tenant=record.tenant, correlation_id=record.correlation_id)
        except MalformedMessageError as error:
            raise PermanentFailure(f"not an action request: {error}") from error
        except (RefusedError, UnknownProviderError) as error:
            raise PermanentFailure(str(error)) from error
        except UnknownAlertError as error:
            raise DependencyUnavailable(f"alert {error} has not replicated to here") from error
        except RevisionConflictError as error:
            raise DependencyUnavailable("others write the alert's row at the same time") from error

    return queue_consumer(act, effect=Inherent(), load=load_queue)


handle = make_handler(from_environment)
