"""Streams through the local cloud's mappings, against the emulator's own poller; start-up by phase; memory."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3

from constructs_lib.local import emulator as emulator_module
from constructs_lib.local import processes
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.event_source_mapping.runner import MappingRunner
from tests.benchmarks import stock_emulator
from tests.benchmarks.result import Figure
from tests.e2e.event_source_mapping_probe import zipped

REGION = "us-east-1"
ROUNDS = 3
# Batch size, and as many records as take either poller some seconds.
LOADS = ((100, 4_000), (10, 1_000), (1, 200))
PATIENCE_SECONDS = 60.0

# The work is next to nothing, and leaves a trace that costs no call.
HANDLER = """
import os

def handle(event, _context):
    with open(os.environ["TRACE"], "a") as trace:
        trace.write(f"{len(event['Records'])}\\n")
"""
TINY_APP = Path(__file__).parents[1] / "e2e" / "apps" / "tiny_app.py"


def measure() -> Sequence[Figure]:
    """Both pollers in turn, each with an emulator of its own, then a whole local cloud."""
    show_start_and_memory()
    with tempfile.TemporaryDirectory() as scratch, running(Path(scratch)) as (ours, stock):
        figures = []
        for batch, records in LOADS:
            pairs = [
                (drain(ours, Path(scratch), batch, records), drain(stock, Path(scratch), batch, records))
                for _ in range(ROUNDS)
            ]
            rate = [statistics.median(pair[side] for pair in pairs) / records for side in (0, 1)]
            figures.append(
                Figure(
                    what=f"batches of {batch}: ms per record, median of {ROUNDS} runs of {records} records, one shard",
                    ours=round(rate[0] * 1_000, 3),
                    baseline=round(rate[1] * 1_000, 3),
                )
            )
        return figures


@contextmanager
def running(scratch: Path) -> Iterator[tuple[str, str]]:
    """Where an emulator with our runner answers, and where one with its own pollers does."""
    ours = Emulator(scratch / "ours", port=0)
    ours.start()
    runner = MappingRunner(ours.url, [REGION])
    with patch.object(emulator_module, "_SCRIPT", Path(stock_emulator.__file__)):
        stock = Emulator(scratch / "stock", port=0)
        stock.start()
    runner.start()
    try:
        yield ours.url, stock.url
    finally:
        runner.stop()
        stock.stop()
        ours.stop()


def drain(url: str, scratch: Path, batch: int, records: int) -> float:
    """Seconds from the first batch that a function has seen to the last one."""
    client = _client_of(url)
    name = f"drain-{time.time_ns()}"
    trace = scratch / name
    kinesis, functions = client("kinesis"), client("lambda")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="handler.handle",
        Role="arn:aws:iam::000000000000:role/any",
        Timeout=30,
        Code={"ZipFile": zipped(HANDLER)},
        Environment={"Variables": {"TRACE": str(trace)}},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.invoke(FunctionName=name, Payload=json.dumps({"Records": []}).encode())
    trace.unlink()
    for start in range(0, records, 500):
        kinesis.put_records(
            StreamName=name,
            Records=[
                {"PartitionKey": "key", "Data": f"{number}".encode()}
                for number in range(start, min(start + 500, records))
            ],
        )
    stream = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    mapping = functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=batch
    )["UUID"]
    seconds = _seconds_between_first_and_last(trace, records)
    functions.delete_event_source_mapping(UUID=mapping)
    kinesis.delete_stream(StreamName=name)
    return seconds


def _seconds_between_first_and_last(trace: Path, records: int) -> float:
    deadline = time.monotonic() + PATIENCE_SECONDS
    begun = 0.0
    while time.monotonic() < deadline:
        seen = sum(map(int, trace.read_text().split())) if trace.exists() else 0
        begun = begun or (time.monotonic() if seen else 0.0)
        if seen >= records:
            return time.monotonic() - begun
        time.sleep(0.002)
    raise TimeoutError(f"{seen} of {records} records within {PATIENCE_SECONDS:.0f} s")


def _client_of(url: str) -> Any:
    session: Any = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    return lambda service: session.client(service, endpoint_url=url)


def show_start_and_memory() -> None:
    """Print how long each phase of a start takes, and what each process holds."""
    app = f"{sys.executable} {TINY_APP}"
    with tempfile.TemporaryDirectory() as scratch, LocalCloud(app=app, port=0, work_directory=Path(scratch)) as cloud:
        client = cloud.client("lambda")
        client.invoke(FunctionName=cloud.stack("Orders").outputs["FunctionName"], Payload=b"{}")
        print("| start-up, warm caches, one small stack | s |\n|---|---:|")
        for phase, seconds in cloud.timings.items():
            print(f"| {phase} | {seconds:.2f} |")
        print("\n| process | resident, MB |\n|---|---:|")
        for line, megabytes in sorted(_memory().items()):
            print(f"| {line} | {megabytes:.0f} |")
        print(flush=True)


def _memory() -> dict[str, float]:
    """What the processes of the local cloud hold, by what they are; each child of this one has a group of its own."""
    groups = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    found = {_named(line): _resident(pid) for group in groups for pid, line in processes.members(group).items()}
    return {"this process: runner, replicas, control": _resident("self"), **found}


def _named(line: str) -> str:
    if "awslambdaric" in line:
        return "a function"
    return "the router" if "router" in line else "the emulator of a region"


def _resident(pid: int | str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(each.split()[1]) for each in status.splitlines() if each.startswith("VmRSS")) / 1_024
