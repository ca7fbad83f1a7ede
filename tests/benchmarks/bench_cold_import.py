"""What a function imports before its first event, against Powertools' full stack for the same job."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.result import Figure

ROUNDS = 7

CONSUMERS = {
    "a stream consumer": (
        "from constructs_lib.runtime import stream_consumer\nhandle = stream_consumer(print)\n",
        "from aws_lambda_powertools import Logger, Metrics, Tracer\n"
        "from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType\n"
        "import boto3\nLogger(service='x'); Tracer(service='x'); Metrics(namespace='x')\n"
        "BatchProcessor(event_type=EventType.KinesisDataStreams); boto3.client('s3', region_name='us-east-1')\n",
    )
}


def measure() -> Sequence[Figure]:
    """Time both in turn, in processes of their own, and give the medians."""
    figures = []
    for name, (ours, baseline) in CONSUMERS.items():
        pairs = [(seconds(ours), seconds(baseline)) for _ in range(ROUNDS + 1)][1:]
        figures.append(
            Figure(
                what=f"{name}: import, ms (median of {ROUNDS})",
                ours=round(statistics.median(pair[0] for pair in pairs) * 1000),
                baseline=round(statistics.median(pair[1] for pair in pairs) * 1000),
            )
        )
    return figures


def seconds(program: str) -> float:
    """Wall time of a fresh interpreter that runs *program*."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started
