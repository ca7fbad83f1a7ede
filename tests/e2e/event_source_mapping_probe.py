"""Settles on a real account what AWS's documentation leaves open about stream mappings.

    python -m tests.e2e.event_source_mapping_probe --region us-east-1

Creates one stream, function, queue and role for each question, watches which batches the function sees, prints the
choice of `Unknowns` that fits, and deletes what it made. It costs cents and takes some minutes on AWS. The same script
runs against the local cloud in a test, where the answers must be the choices it was started with.

Not asked here: `stream_expiry` (a day of retention), `empty_window`, `in_flight_when_disabled`, `checkpoint_scope` and
`resharding` (AWS applies changes minutes late, which a script cannot tell from the behaviour in question).
"""

import argparse
import contextlib
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3

HANDLER = """
import base64, json, os
import boto3

calls = 0

def handle(event, context):
    global calls
    calls += 1
    records = event["Records"]
    labels = [json.loads(base64.b64decode(record["kinesis"]["data"]))["label"] for record in records]
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(labels))
    failed = [r for r, label in zip(records, labels) if label in os.environ["FAIL"].split()]
    mode = os.environ["MODE"]
    if mode == "raise" and failed:
        raise ValueError("as asked")
    if mode == "report":
        return {"batchItemFailures": [{"itemIdentifier": r["kinesis"]["sequenceNumber"]} for r in failed]}
    if mode == "report-foreign":
        named = [r["kinesis"]["sequenceNumber"] for r in failed] + ["1"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in named]}
    if mode == "misspell":
        return {"batchItemFailure": [{"itemIdentifier": r["kinesis"]["sequenceNumber"]} for r in failed]}
    return None
"""

Batches = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One unknown: what to send, under which settings, and how to read what the function saw."""

    unknown: str
    records: Sequence[str]
    mode: str
    fail: str
    settings: dict[str, Any]
    read: Callable[[Batches], str]
    keys: Sequence[str] = ()
    later: Sequence[str] = ()
    """Sent once the function has seen the first batch."""


REPORT = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}

QUESTIONS = (
    Question(
        unknown="partial_progress",
        records="abc",
        mode="report",
        fail="c",
        settings={**REPORT, "MaximumRetryAttempts": 1},
        read=lambda seen: "RESTARTS_ATTEMPTS" if len(seen) == 3 else "KEEPS_ATTEMPTS",
    ),
    Question(
        unknown="split_without_retries",
        records="ab",
        mode="raise",
        fail="b",
        settings={"BisectBatchOnFunctionError": True, "MaximumRetryAttempts": 0},
        read=lambda seen: "SPLITS" if len(seen) > 1 else "DISCARDS",
    ),
    Question(
        unknown="failed_from_first",
        records="abcd",
        mode="report",
        fail="a",
        settings={**REPORT, "BisectBatchOnFunctionError": True, "MaximumRetryAttempts": 1},
        read=lambda seen: "RETRIES_WHOLE" if seen[1] == seen[0] else "SPLITS_IN_HALF",
    ),
    Question(
        unknown="malformed_response",
        records="ab",
        mode="misspell",
        fail="b",
        settings={**REPORT, "MaximumRetryAttempts": 1},
        read=lambda seen: "SUCCEEDS" if len(seen) == 1 else "FAILS",
    ),
    Question(
        unknown="foreign_identifier",
        records="abc",
        mode="report-foreign",
        fail="b",
        settings={**REPORT, "MaximumRetryAttempts": 1},
        read=lambda seen: "FAILS_BATCH" if seen[1] == seen[0] else "IGNORED",
    ),
    Question(
        unknown="filtered_records",
        records="aXbX",
        mode="pass",
        fail="",
        settings={
            "BatchSize": 2,
            "MaximumBatchingWindowInSeconds": 2,
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"data": {"label": ["a", "b"]}})}]},
        },
        read=lambda seen: "TAKE_NO_ROOM" if seen[0] == ["a", "b"] else "TAKE_ROOM",
    ),
    Question(
        unknown="kinesis_metadata",
        records="a",
        mode="pass",
        fail="",
        settings={"FilterCriteria": {"Filters": [{"Pattern": json.dumps({"partitionKey": ["key"]})}]}},
        read=lambda seen: "COMPARED" if seen else "NEVER_MET",
    ),
    Question(
        unknown="retried_batch",
        records="a",
        later="b",
        mode="raise",
        fail="a",
        settings={"MaximumRetryAttempts": 5},
        read=lambda seen: "REFILLED" if ["a", "b"] in seen else "SAME_RECORDS",
    ),
    Question(
        unknown="blocked_lane",
        records="a",
        later=[str(number) for number in range(40)],
        keys=["key", *(f"key-{number}" for number in range(40))],
        mode="raise",
        fail="a",
        # So many that the others have arrived long before it is given up, however busy the machine.
        settings={"ParallelizationFactor": 10, "MaximumRetryAttempts": 8},
        # Before the failing record is given up, the others either have been seen or have not.
        read=lambda seen: "HOLDS_LANE" if any("a" not in batch for batch in _before_last(seen, "a")) else "HOLDS_SHARD",
    ),
)


def _before_last(seen: Batches, label: str) -> Batches:
    last = max(index for index, batch in enumerate(seen) if label in batch)
    return seen[:last]


@dataclass
class Probe:
    """Asks questions of one account or emulator, all in their own streams."""

    region: str
    endpoint_url: str | None = None
    credentials: dict[str, Any] = field(default_factory=dict)
    start_patience: float = 240.0
    """Seconds to wait for the first batch: a new mapping may take minutes to start on AWS."""
    patience: float = 75.0
    """Seconds without a batch after which the function has seen everything."""
    busy: Callable[[str], bool] = lambda _function: False
    """Whether this function's mapping is known to have work left; AWS does not tell."""
    prefix: str = field(default_factory=lambda: f"mapping-probe-{uuid.uuid4().hex[:8]}")

    def client(self, service: str) -> Any:
        """A client of *service*."""
        session: Any = boto3.Session(region_name=self.region, **self.credentials)
        return session.client(service, endpoint_url=self.endpoint_url)

    def ask(self, question: Question) -> str:
        """The choice that fits what happens."""
        with contextlib.ExitStack() as cleanup:
            role = self._role(cleanup)
            return question.read(list(self._batches(question, role, cleanup)))

    def _role(self, cleanup: contextlib.ExitStack) -> str:
        iam, name = self.client("iam"), f"{self.prefix}-{uuid.uuid4().hex[:6]}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["kinesis:*", "sqs:SendMessage", "logs:*"], "Resource": "*"}],
        }
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        cleanup.callback(iam.delete_role, RoleName=name)
        iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=json.dumps(policy))
        cleanup.callback(iam.delete_role_policy, RoleName=name, PolicyName="probe")
        if self.endpoint_url is None:
            time.sleep(15)  # until IAM knows the role everywhere
        return arn

    def _batches(self, question: Question, role: str, cleanup: contextlib.ExitStack) -> Iterator[list[str]]:
        kinesis, functions, sqs = self.client("kinesis"), self.client("lambda"), self.client("sqs")
        name = f"{self.prefix}-{question.unknown}"
        kinesis.create_stream(StreamName=name, ShardCount=1)
        cleanup.callback(kinesis.delete_stream, StreamName=name)
        kinesis.get_waiter("stream_exists").wait(StreamName=name)
        seen = sqs.create_queue(QueueName=name)["QueueUrl"]
        cleanup.callback(sqs.delete_queue, QueueUrl=seen)
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="handler.handle",
            Role=role,
            Timeout=30,
            Code={"ZipFile": zipped(HANDLER)},
            Environment={"Variables": {"SEEN": seen, "FAIL": question.fail, "MODE": question.mode}},
        )
        cleanup.callback(functions.delete_function, FunctionName=name)
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
        keys = question.keys or ["key"] * len(question.records)
        self._put(kinesis, name, question.records, keys)
        stream = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        mapping = functions.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=stream,
            **{"StartingPosition": "TRIM_HORIZON", "BatchSize": 100, **question.settings},
        )["UUID"]
        cleanup.callback(functions.delete_event_source_mapping, UUID=mapping)
        later = list(question.later)
        patience = self.start_patience
        last = time.monotonic()
        while time.monotonic() - last < patience or self.busy(name):
            for message in sqs.receive_message(QueueUrl=seen, WaitTimeSeconds=1).get("Messages", ()):
                sqs.delete_message(QueueUrl=seen, ReceiptHandle=message["ReceiptHandle"])
                last, patience = time.monotonic(), self.patience
                yield json.loads(message["Body"])
                if later:
                    self._put(kinesis, name, later, question.keys[1:] or ["key"] * len(later))
                    later = []

    @staticmethod
    def _put(kinesis: Any, stream: str, labels: Sequence[str], keys: Sequence[str]) -> None:
        for label, key in zip(labels, keys, strict=False):
            kinesis.put_record(StreamName=stream, PartitionKey=key, Data=json.dumps({"label": label}).encode())


def zipped(source: str) -> bytes:
    """A function's code with this handler."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", source)
    return content.getvalue()


def main() -> None:
    """Ask every question and print the answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region", required=True)
    parser.add_argument("--only", help="one unknown")
    options = parser.parse_args()
    probe = Probe(options.region)
    for question in QUESTIONS:
        if options.only in (None, question.unknown):
            print(f"{question.unknown}: {probe.ask(question)}", flush=True)


if __name__ == "__main__":
    main()
