"""Telling the operators how escalations end."""

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.shared.alert import Alert
from lambdas.shared.codes import Code, coded_log


class OperatorOutcomes:
    """A log line with a code, and the metric `EscalationExhausted` (count, dimension `service`).

    Args:
        logger: Where lines go.
        service: Name of the function's code, the dimension of its metrics.
        namespace: CloudWatch namespace of the metrics.
    """

    def __init__(self, logger: Logger, *, service: str, namespace: str) -> None:
        self._log = coded_log(logger)
        self._service = service
        self._namespace = namespace

    def exhausted(self, alert: Alert) -> None:
        """Everybody was called and nobody came."""
        with single_metric(
            name="EscalationExhausted",
            unit=MetricUnit.Count,
            value=1,
            namespace=self._namespace,
            default_dimensions={"service": self._service},
        ):
            self._log(Code.ESC_EXHAUSTED, alert_id=alert.alert_id, tenant=alert.tenant)
