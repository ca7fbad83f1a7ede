"""What the consumers log and count.

Logs are Powertools JSON lines; every line written while a record is at work, the handler's own included if it uses a
Powertools `Logger` of the same service, carries the record's correlation id. Metrics are one line in CloudWatch's
embedded metric format per invocation. Payloads are never logged.

Keys of lines are kept per thread, for records are at work side by side; what is said in one thread does not show in
another's lines.

Metrics. With the one dimension `dependency`, from streams, as counts (statistic: sum):

* `RecordsDone`: handled;
* `RecordsHeld`: waiting for something that is away, counted again every minute and on every delivery;
* `RecordsQuarantined`: given up and kept;
* `RecordsParked`: put aside because their tenant is unavailable; `RecordsUnparked`: settled after that;
* `HandlerFailing`: records that are held because most keys fail for reasons that only the handler can have;
* `BreakerOpened`, `BreakerClosed`: the circuit breaker changed its state; `RetriesRefused`: retries that had to wait for
  the retry budget;

and as gauges (the newest value of an invocation; statistic: maximum or minimum):

* `BreakerOpen`: 1 while calls are stopped, else 0; `CallFailureRate`: share of failed calls in the breaker's window, in
  percent;
* `TimeToDataLoss`: seconds until the stream drops the oldest record that is not settled;
* `TenantsParked`: tenants with parked records; `OldestParkedAge`: seconds since the oldest of those records arrived.

With the one dimension `service`, from queues, as counts:

* `MessagesDone`: handled, or known to be done already;
* `MessagesFailed`: to be delivered again because something failed;
* `MessagesDeadLettered`: given up and kept.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Literal, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

Unit = Literal["Count", "Percent", "Seconds"]


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

    def gauge(self, metric: str, value: float, unit: Unit) -> None:
        """Set a metric of this invocation; the newest value counts."""

    def flush(self) -> None:
        """Publish the metrics so far and begin anew."""


class PowertoolsWatch:
    """Logs and metrics by Powertools, for several threads at once.

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
        self._gauges: dict[str, tuple[float, Unit]] = {}
        self._lock = Lock()

    @contextmanager
    def about(self, **keys: str) -> Iterator[None]:
        """Put *keys* on every log line this thread writes inside; they must not be there already."""
        # Powertools' own context manager would put them on the lines of all threads, and take them away from all.
        self._logger.thread_safe_append_keys(**keys)
        try:
            yield
        finally:
            self._logger.thread_safe_remove_keys(keys)

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
        with self._lock:
            self._counts[metric] += number

    def gauge(self, metric: str, value: float, unit: Unit) -> None:
        """Set a metric of this invocation; the newest value counts."""
        with self._lock:
            self._gauges[metric] = value, unit

    def flush(self) -> None:
        """Publish the metrics so far and begin anew."""
        with self._lock:
            if not self._counts and not self._gauges:
                return
            for metric, number in self._counts.items():
                self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=number)
            for metric, (value, unit) in self._gauges.items():
                self._metrics.add_metric(name=metric, unit=MetricUnit(unit), value=value)
            self._counts.clear()
            self._gauges.clear()
            self._metrics.flush_metrics()
