"""What the consumers log and count.

Logs are JSON lines in the shape that Powertools writes, metrics one line in CloudWatch's embedded metric format per
invocation, written by the standard library: Powertools would be a third of a light consumer's cold start and most of its
bundle. Every line written while a record is at work carries the record's correlation id, the handler's own included if it
logs with a Powertools `Logger`. Payloads are never logged.

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
* `RecordsRepeated`: records done that were copies; `PayloadMismatches`, `StoreErrors`, `ClaimsLost`, `MessagesReplayed`,
  `SendsFailed`: as below, where the effect of a record is made once;

and as gauges (the newest value of an invocation; statistic: maximum or minimum):

* `BreakerOpen`: 1 while calls are stopped, else 0; `CallFailureRate`: share of failed calls in the breaker's window, in
  percent;
* `TimeToDataLoss`: seconds until the stream drops the oldest record that is not settled;
* `TenantsParked`: tenants with parked records; `OldestParkedAge`: seconds since the oldest of those records arrived.

With the one dimension `service`, from queues, as counts:

* `MessagesDone`: handled, or known to be done already; `MessagesRepeated`: those of them that were copies;
* `MessagesHeld`: waiting for something that is away, counted again on every delivery;
* `MessagesFailed`: to be delivered again because something failed;
* `MessagesDeadLettered`: given up and kept; `PayloadMismatches`: because their key came with another payload before;
* `StoreErrors`: messages for which the idempotency store did not answer; `ClaimsLost`: messages that another worker took
  over meanwhile;
* `MessagesReplayed`: messages of the past, for which nothing outside is called;
* `SendsFailed`: messages that follow from a record and were not confirmed.
"""

from contextlib import AbstractContextManager
from typing import Literal, Protocol

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
