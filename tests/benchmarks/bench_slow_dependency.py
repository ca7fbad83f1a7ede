"""A batch of records for a dependency that takes 100 ms to answer, one key per record.

Ours: the stream consumer as Lambda runs it for the first time (threads and connections are made within the measured
time), its state table answering after 4 ms, JSON log lines and metrics written. Baseline: Powertools' BatchProcessor
with requests, one record after the other, no log lines.
"""

import http.client
import io
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any

import requests
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from constructs_lib.runtime import Record, stream_consumer
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.stream_ports import Status
from tests.benchmarks.result import Figure
from tests.benchmarks.slow_server import running
from tests.unit.runtime.events import envelope, kinesis_event
from tests.unit.runtime.fakes import FakeContext, RealTime
from tests.unit.runtime.stream_world import MemoryStatus, ports

# Batch size, rounds, and the target: shares of the baseline of the same run. The limit is one call: 1/100 and so on.
SIZES = ((100, 3, 0.015), (10, 5, 0.15), (1, 9, 1.2))
STORE_SECONDS = 0.004
BODY = b'{"text": "sesame"}'


class SlowStatus(MemoryStatus):
    """The status item, as far away as DynamoDB."""

    def read(self) -> Status:
        time.sleep(STORE_SECONDS)
        return super().read()


def measure() -> Sequence[Figure]:
    """Time both in turn; give the medians."""
    figures = []
    with running() as port:
        for size, rounds, target in SIZES:
            pairs = [(seconds(ours, port, size), seconds(baseline, port, size)) for _ in range(rounds)]
            figures.append(
                Figure(
                    what=f"batch of {size}: ms (median of {rounds})",
                    ours=round(1_000 * statistics.median(pair[0] for pair in pairs), 1),
                    baseline=round(1_000 * statistics.median(pair[1] for pair in pairs), 1),
                    target=target,
                )
            )
    return figures


def seconds(consumer: Callable[[int], Callable[[Any], Any]], port: int, size: int) -> float:
    """Wall time of one batch through a fresh consumer."""
    event = kinesis_event([envelope(f"m-{number}").to_json() for number in range(size)])
    for each in event["Records"]:
        each["kinesis"]["approximateArrivalTimestamp"] = time.time()
    consume = consumer(port)
    begun = time.perf_counter()
    answer = consume(event)
    took = time.perf_counter() - begun
    assert answer == {"batchItemFailures": []}
    return took


def ours(port: int) -> Callable[[Any], Any]:
    """The stream consumer, with a connection per thread."""
    local = threading.local()

    def call(record: Record) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        local.connection.request("POST", "/", BODY)
        assert local.connection.getresponse().read() == b"ok"

    watch = JsonWatch(namespace="Resilience", dimensions={"dependency": "slow"})
    given = ports(watch=watch, status=SlowStatus())
    handle = stream_consumer(call, load=lambda: given)

    def consume(event: Any) -> Any:
        with redirect_stdout(io.StringIO()):  # logs and metrics
            return handle(event, FakeContext(RealTime()))

    return consume


def baseline(port: int) -> Callable[[Any], Any]:
    """Powertools' batch processor with requests."""
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams)

    def call(record: Any) -> None:
        assert requests.post(f"http://127.0.0.1:{port}/", data=BODY, timeout=5).text == "ok"

    return lambda event: process_partial_response(event=event, record_handler=call, processor=processor)
