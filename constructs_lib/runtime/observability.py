"""What the consumers log and count.

Logs are Powertools JSON lines; every line written while a record is at work, the handler's own included if it uses a
Powertools `Logger` of the same service, carries the record's correlation id. Metrics are one line in CloudWatch's
embedded metric format per invocation. Payloads are never logged.

Metrics, all counts (statistic: sum). With the one dimension `dependency`, from streams:

* `RecordsDone`: handled;
* `RecordsHeld`: handed back because one had to wait, that one and all behind it, counted again on every delivery;
* `RecordsQuarantined`: given up and kept.

With the one dimension `service`, from queues:

* `MessagesDone`: handled, or known to be done already;
* `MessagesFailed`: to be delivered again because something failed;
* `MessagesDeadLettered`: given up and kept.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class Watch(Protocol):
    """Port to logs and metrics."""

    def about(self, **keys: str) -> AbstractContextManager[None]:
        """Put *keys* on every log line written inside; they must not be there already."""

    def info(self, message: str, /, **fields: object) -> None:
        """Log what went as it should."""

    def warning(self, message: str, /, **fields: object) -> None:
        """Log what did not, and will be tried again."""

    def error(self, message: str, /, **fields: object) -> None:
        """Log what a person should look at."""

    def count(self, metric: str, number: int = 1) -> None:
        """Add to a metric of this invocation."""

    def flush(self) -> None:
        """Publish the metrics of this invocation and begin anew."""


class PowertoolsWatch:
    """Logs and metrics by Powertools.

    Args:
        logger: Where lines go.
        namespace: CloudWatch namespace of the metrics.
        dimensions: The metrics' dimensions, exactly these: an alarm that names others would watch nothing.
    """

    def __init__(self, logger: Logger, *, namespace: str, dimensions: Mapping[str, str]) -> None:
        self._logger = logger
        # An empty service keeps Powertools from adding a dimension; the ephemeral kind shares nothing with metrics of
        # the handler's own.
        self._metrics = EphemeralMetrics(namespace=namespace, service="", default_dimensions=dict(dimensions))
        self._counts: Counter[str] = Counter()

    def about(self, **keys: str) -> AbstractContextManager[None]:
        """Put *keys* on every log line written inside; they must not be there already."""
        return self._logger.append_context_keys(**keys)

    def info(self, message: str, /, **fields: object) -> None:
        """Log what went as it should."""
        self._logger.info(message, extra=fields)

    def warning(self, message: str, /, **fields: object) -> None:
        """Log what did not, and will be tried again."""
        self._logger.warning(message, extra=fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Log what a person should look at."""
        self._logger.error(message, extra=fields)

    def count(self, metric: str, number: int = 1) -> None:
        """Add to a metric of this invocation."""
        self._counts[metric] += number

    def flush(self) -> None:
        """Publish the metrics of this invocation and begin anew."""
        if self._counts:
            for metric, number in self._counts.items():
                self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=number)
            self._counts.clear()
            self._metrics.flush_metrics()
