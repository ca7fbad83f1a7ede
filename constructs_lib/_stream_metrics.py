"""What CloudWatch knows of one dependency's stream: metrics of Kinesis, of Lambda, and of the runtime."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_

from constructs_lib import _environment as environment_names

# What metrics are summed up over, unless an alarm asks for something else.
PERIOD = Duration.minutes(5)


class ConsumedStreamMetrics:
    """Metrics of whoever consumes a stream, each over 5 minutes: of Lambda and of the runtime.

    Attributes:
        iterator_age: Age of what the consumer works on, milliseconds, maximum. It goes on during an outage, when one
            batch is tried again and again and nothing is fetched.
        expired: Records that Lambda moved to the quarantine because they were too old, sum.
        dropped: Records that Lambda could not move there either, sum.
        errors: Invocations of the consumer that raised, crashed or ran out of time, sum.
        done: Records handled, sum.
        held: Records handed back because one of them had to wait, sum.
        parked: Records set aside because their tenant has to wait, sum.
        unparked: Parked records handled since, sum.
        quarantined: Records given up and kept, sum.
        breaker_opened: Times that calls were stopped, sum.
        breaker_closed: Times that calls were taken up again, sum.
        breaker_open: Whether calls are stopped, 0 or 1, maximum.
        failure_rate: Failed calls of the circuit breaker's window, percent, average.
        retries_refused: Retries that the retry budget did not allow, sum.
        handler_failing: Times that records were held because the handler fails for most keys, sum.
        time_to_data_loss: How much longer the stream keeps the oldest record, seconds, minimum.
        tenants_parked: Tenants with parked records, maximum.
        parked_age: Age of the oldest parked record, seconds, maximum.
    """

    def __init__(self, *, dependency: str, consumer: lambda_.IFunction, mapping: lambda_.EventSourceMapping) -> None:
        self._dependency = dependency
        self.iterator_age = consumer.metric("IteratorAge", period=PERIOD, statistic="Maximum")
        self.errors = consumer.metric("Errors", period=PERIOD, statistic="Sum")
        of_mapping = {"EventSourceMappingUUID": mapping.event_source_mapping_id}
        self.expired = _metric("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", of_mapping, "Sum")
        self.dropped = _metric("AWS/Lambda", "DroppedEventCount", of_mapping, "Sum")
        self.done = self._own("RecordsDone", "Sum")
        self.held = self._own("RecordsHeld", "Sum")
        self.parked = self._own("RecordsParked", "Sum")
        self.unparked = self._own("RecordsUnparked", "Sum")
        self.quarantined = self._own("RecordsQuarantined", "Sum")
        self.breaker_opened = self._own("BreakerOpened", "Sum")
        self.breaker_closed = self._own("BreakerClosed", "Sum")
        self.breaker_open = self._own("BreakerOpen", "Maximum")
        self.failure_rate = self._own("CallFailureRate", "Average")
        self.retries_refused = self._own("RetriesRefused", "Sum")
        self.handler_failing = self._own("HandlerFailing", "Sum")
        self.time_to_data_loss = self._own("TimeToDataLoss", "Minimum")
        self.tenants_parked = self._own("TenantsParked", "Maximum")
        self.parked_age = self._own("OldestParkedAge", "Maximum")

    def _own(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of the runtime."""
        return _metric(environment_names.NAMESPACE, name, {"dependency": self._dependency}, statistic)


class StreamMetrics(ConsumedStreamMetrics):
    """Those and the metrics of the Kinesis stream itself.

    Two of them tell how late the consumer is, because neither tells all. Kinesis counts what is fetched: a stream that
    is polled has data even when it is empty, so silence means that nobody polls. Lambda counts what is handed to the
    function.

    Attributes:
        fetched_age: Age of what is fetched from the stream, milliseconds, maximum.
        incoming: Records put on the stream, sum.
        write_throttled: Records that the stream had no capacity for, sum.
    """

    def __init__(
        self,
        *,
        dependency: str,
        stream: kinesis.IStream,
        consumer: lambda_.IFunction,
        mapping: lambda_.EventSourceMapping,
    ) -> None:
        super().__init__(dependency=dependency, consumer=consumer, mapping=mapping)
        self.fetched_age = stream.metric("GetRecords.IteratorAgeMilliseconds", period=PERIOD, statistic="Maximum")
        self.incoming = stream.metric("IncomingRecords", period=PERIOD, statistic="Sum")
        self.write_throttled = stream.metric("WriteProvisionedThroughputExceeded", period=PERIOD, statistic="Sum")


def _metric(namespace: str, name: str, dimensions: dict[str, str], statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dimensions, period=PERIOD, statistic=statistic
    )
