"""The steps of the escalation saga."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from constructs_lib.runtime import PermanentFailure
from constructs_lib.runtime.clients import client
from lambdas.escalation.adapters import OperatorOutcomes
from lambdas.escalation.domain import Escalation, RefusedError, Step
from lambdas.escalation.settings import Settings
from lambdas.shared.alert_repository import AlertRepository
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.codes import Code, coded_log
from lambdas.shared.command_streams import CommandMessages, CommandStreams, UnknownProviderError
from lambdas.shared.task_tokens import StepFunctionsTasks
from lambdas.shared.tenants import TenantRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the handler works with.

    Args:
        escalation: The rules.
        logger: Where each step is noted.
    """

    escalation: Escalation
    logger: Logger


def from_environment() -> Ports:
    """Make the ports from the function's environment."""
    settings = Settings.from_environment()
    logger = Logger()
    tables = client("dynamodb", CONFIG)
    return Ports(
        escalation=Escalation(
            alerts=AlertRepository(tables, settings.alerts_table, settings.region),
            tenants=TenantRepository(tables, settings.tenants_table),
            streams=CommandStreams(client("kinesis", CONFIG), CommandMessages(settings.streams)),
            tasks=StepFunctionsTasks(client("stepfunctions", CONFIG), coded_log(logger)),
            outcomes=OperatorOutcomes(logger, service=settings.service, namespace=settings.namespace),
        ),
        logger=logger,
    )


def make_handler(load: Callable[[], Ports]) -> Callable[[Mapping[str, Any], object], dict[str, object]]:
    """Build the handler; *load* runs on the first event, never on import.

    The handler raises `PermanentFailure`, which the saga does not try again, where trying again would not help.
    """
    ports_of = cache(load)

    def handle(event: Mapping[str, Any], _context: object) -> dict[str, object]:
        ports = ports_of()
        try:
            step = Step.parse(event)
            with ports.logger.append_context_keys(correlation_id=step.correlation_id, tenant=step.tenant):
                result = ports.escalation.do(step)
                ports.logger.info(
                    Code.ESC_STEP.meaning,
                    extra={"code": Code.ESC_STEP.code, "step": event["step"], "alert_id": step.alert_id, **result},
                )
        except (RefusedError, UnknownProviderError) as error:
            raise PermanentFailure(str(error)) from error
        return result

    return handle


handle = make_handler(from_environment)
