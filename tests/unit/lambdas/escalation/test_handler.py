"""The saga's steps as a Lambda handler."""

import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from constructs_lib.runtime import PermanentFailure
from lambdas.escalation.adapters import OperatorOutcomes
from lambdas.escalation.domain import Escalation
from lambdas.escalation.handler import Ports, make_handler
from tests.unit.lambdas.alerting import MemoryAlerts, MemoryStreams, MemoryTasks, MemoryTenants, row
from tests.unit.lambdas.escalation.test_domain import payload


def run(event: dict[str, Any], log: StringIO | None = None) -> dict[str, object]:
    # Loggers of one service share their stream, whoever made the first.
    alerts, logger = MemoryAlerts(), Logger(service=str(uuid4()), stream=log or StringIO())
    alerts.put(row())
    escalation = Escalation(
        alerts=alerts,
        tenants=MemoryTenants(),
        streams=MemoryStreams(),
        tasks=MemoryTasks(),
        outcomes=OperatorOutcomes(logger, service="escalation", namespace="Resilience"),
    )
    return make_handler(lambda: Ports(escalation=escalation, logger=logger))(event, None)


def test_a_step_returns_what_the_saga_goes_by() -> None:
    """Whether the escalation is complete."""
    assert run(payload("Level1Look")) == {"complete": False}


def test_a_step_that_can_never_be_done_fails_by_the_name_the_saga_does_not_retry() -> None:
    """The saga's definition names `PermanentFailure`."""
    with pytest.raises(PermanentFailure):
        run(payload("Level1Look", tenant="bell"))
    assert PermanentFailure.__name__ == "PermanentFailure"


def test_an_exhausted_escalation_is_a_metric_and_a_coded_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Namespace, name and dimension are those an alarm watches; the line carries the alert's correlation id."""
    log = StringIO()
    run(payload("Level2Look"), log)
    metric = json.loads(capsys.readouterr().out)
    assert metric["EscalationExhausted"] == [1.0]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Resilience"
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert metric["service"] == "escalation"
    (coded,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line.get("code") == "ESC-EXHAUSTED"]
    assert (coded["level"], coded["alert_id"], coded["correlation_id"]) == ("ERROR", "a1", "c1")
