"""The runner: what it reads, starts, changes and stops, with clients that answer from memory."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from constructs_lib.local.event_source_mapping import runner as runner_module
from constructs_lib.local.event_source_mapping.function import Calls
from constructs_lib.local.event_source_mapping.messages import UNREADABLE, Invoke, Responded
from constructs_lib.local.event_source_mapping.records import Source
from constructs_lib.local.event_source_mapping.runner import MappingRunner
from constructs_lib.local.event_source_mapping.unknowns import AT_ONCE, Unknowns

ROLE = "arn:aws:iam::123456789012:role/worker"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"


def refusal(code: str) -> ClientError:
    """An error answer of the API."""
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")


class FakeCloud:
    """Streams, functions, mappings and destinations in memory, behind the client calls the runner makes."""

    def __init__(self) -> None:
        self.mappings: dict[str, dict[str, Any]] = {}
        self.shards: dict[str, list[str]] = {"shardId-0": []}
        self.parents: dict[str, str] = {}
        self.closed: set[str] = set()
        self.invoked: list[list[str]] = []
        self.sent: list[tuple[str, Any]] = []
        self.places: list[dict[str, Any]] = []
        self.away = False
        self.iterators_valid = True
        self.answer: Callable[[list[str]], dict[str, Any]] = lambda _: {}
        self.lock = threading.Lock()

    def get(self, service: str, region: str) -> Any:
        """In place of `Clients.get`: this object is every client."""
        assert region == "us-east-1"
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")
        return self

    def close(self) -> None:
        pass

    def add_mapping(self, mapping_id: str = "m1", **settings: Any) -> None:
        self.mappings[mapping_id] = {
            "UUID": mapping_id,
            "EventSourceArn": STREAM,
            "FunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{mapping_id}",
            "State": "Enabled",
            "StartingPosition": "TRIM_HORIZON",
            **settings,
        }

    def get_paginator(self, operation: str) -> Any:
        cloud = self

        class Pages:
            def paginate(self, **_arguments: Any) -> Iterator[dict[str, Any]]:
                if operation == "list_event_source_mappings":
                    yield {"EventSourceMappings": [dict(item) for item in cloud.mappings.values()]}
                    return
                yield {
                    "Shards": [
                        {
                            "ShardId": shard,
                            **({"ParentShardId": cloud.parents[shard]} if shard in cloud.parents else {}),
                        }
                        for shard in cloud.shards
                    ]
                }

        return Pages()

    def get_function_configuration(self, **_arguments: Any) -> dict[str, Any]:
        return {"Role": ROLE}

    def describe_stream_summary(self, **_arguments: Any) -> dict[str, Any]:
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": 24}}

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        self.places.append(arguments)
        if arguments["ShardId"] not in self.shards:
            raise refusal("ResourceNotFoundException")
        records = self.shards[arguments["ShardId"]]
        if arguments["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER":
            position = records.index(arguments["StartingSequenceNumber"]) + 1
        else:
            position = len(records) if arguments["ShardIteratorType"] == "LATEST" else 0
        self.iterators_valid = True
        return {"ShardIterator": f"{arguments['ShardId']} {position}"}

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")
        if not self.iterators_valid:
            raise refusal("ExpiredIteratorException")
        shard, position = arguments["ShardIterator"].split()
        if shard not in self.shards:
            raise refusal("ResourceNotFoundException")
        there = self.shards[shard][int(position) :][: arguments["Limit"]]
        following = int(position) + len(there)
        answer: dict[str, Any] = {
            "Records": [
                {"SequenceNumber": one, "PartitionKey": one, "Data": b"1", "ApproximateArrivalTimestamp": time.time()}
                for one in there
            ]
        }
        if shard not in self.closed or following < len(self.shards[shard]):
            answer["NextShardIterator"] = f"{shard} {following}"
        return answer

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        sequences = [record["kinesis"]["sequenceNumber"] for record in json.loads(arguments["Payload"])["Records"]]
        with self.lock:
            self.invoked.append(sequences)
        answer = {"ResponseMetadata": {"RequestId": "r1"}, "ExecutedVersion": "$LATEST", "Payload": BytesIO(b"null")}
        return {**answer, **self.answer(sequences)}

    def get_queue_url(self, **arguments: Any) -> dict[str, Any]:
        return {"QueueUrl": f"http://queue/{arguments['QueueOwnerAWSAccountId']}/{arguments['QueueName']}"}

    def send_message(self, **arguments: Any) -> None:
        self.sent.append((arguments["QueueUrl"], json.loads(arguments["MessageBody"])))

    def publish(self, **arguments: Any) -> None:
        self.sent.append((arguments["TopicArn"], json.loads(arguments["Message"])))

    def put_object(self, **arguments: Any) -> None:
        self.sent.append((f"{arguments['Bucket']}/{arguments['Key']}", json.loads(arguments["Body"])))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr(runner_module, "Clients", lambda *_arguments, **_options: fake)
    monkeypatch.setattr(runner_module, "_SHARDS_EVERY", 0.0)
    return fake


@pytest.fixture
def runner(cloud: FakeCloud) -> Iterator[MappingRunner]:
    unknowns = Unknowns(backoff=AT_ONCE)
    running = MappingRunner(
        "http://127.0.0.1", ["us-east-1"], poll_interval=0.005, discovery_interval=0.005, unknowns=unknowns
    )
    running.start()
    yield running
    running.stop(timeout=1.0)


def holding(held: threading.Event, *sequences: str) -> Callable[[list[str]], dict[str, Any]]:
    """A function that, with this batch (or any, if none is given), waits until *held* is set."""

    def answer(batch: list[str]) -> dict[str, Any]:
        if not sequences or batch == list(sequences):
            held.wait(30.0)
        return {}

    return answer


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for the threads to get there."""
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        threading.Event().wait(0.002)


def test_a_mapping_is_found_and_run(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Also one that is made after the start."""
    cloud.shards["shardId-0"] += ["1", "2"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1", "2"]])
    cloud.shards["shardId-0"] += ["3"]
    eventually(lambda: cloud.invoked == [["1", "2"], ["3"]])


def test_queue_mappings_are_left_to_the_emulator(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Only Kinesis and DynamoDB streams are run here."""
    cloud.add_mapping("m1", EventSourceArn="arn:aws:sqs:us-east-1:123456789012:queue")
    cloud.add_mapping("m2")
    eventually(lambda: len(runner.status()) == 1)
    assert runner.status()[0].mapping_id == "m2"


def test_a_removed_mapping_stops(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Its records are nobody's any more."""
    cloud.add_mapping()
    eventually(lambda: bool(runner.status()))
    del cloud.mappings["m1"]
    eventually(lambda: not runner.status())
    cloud.shards["shardId-0"] += ["1"]
    cloud.shards["shardId-1"] = ["9"]
    cloud.add_mapping("m2")
    eventually(lambda: ["9"] in cloud.invoked)
    assert cloud.invoked.count(["1"]) == 1


def test_a_disabled_mapping_pauses_and_resumes(cloud: FakeCloud, runner: MappingRunner) -> None:
    """From where it was."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    cloud.mappings["m1"]["State"] = "Disabled"
    eventually(lambda: not runner.status()[0].enabled and runner.status()[0].shards[0].in_flight == 0)
    eventually(lambda: not runner._regions[0].mappings["m1"]._workers["shardId-0"]._state.enabled)
    cloud.shards["shardId-0"] += ["2"]
    assert cloud.invoked == [["1"]]
    cloud.mappings["m1"]["State"] = "Enabled"
    eventually(lambda: cloud.invoked == [["1"], ["2"]])


def test_changed_settings_apply_from_the_checkpoint(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Nothing is lost or repeated by an update."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    cloud.mappings["m1"]["BatchSize"] = 1
    worker = runner._regions[0].mappings["m1"]._workers["shardId-0"]
    eventually(lambda: worker._state.config.batch_size == 1)
    cloud.shards["shardId-0"] += ["2", "3"]
    eventually(lambda: cloud.invoked == [["1"], ["2"], ["3"]])


def test_reading_goes_on_after_an_iterator_expired(cloud: FakeCloud, runner: MappingRunner) -> None:
    """A new iterator is made after the last record read."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    cloud.iterators_valid = False
    cloud.shards["shardId-0"] += ["2"]
    eventually(lambda: cloud.invoked == [["1"], ["2"]])
    assert cloud.places[-1]["StartingSequenceNumber"] == "1"


def test_an_emulator_that_restarts_costs_nothing(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Mappings are kept while nobody answers, and go on from where they were."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    cloud.away = True
    eventually(lambda: "reading failed" in runner.status()[0].shards[0].trouble)
    cloud.shards["shardId-0"] += ["2"]
    cloud.iterators_valid = False
    cloud.away = False
    eventually(lambda: cloud.invoked == [["1"], ["2"]])
    eventually(lambda: runner.status()[0].shards[0].trouble == "")


def test_latest_starts_at_the_end_of_the_stream(cloud: FakeCloud, runner: MappingRunner) -> None:
    """And means the time reading began, should the iterator be lost before the first record."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping(StartingPosition="LATEST")
    eventually(lambda: bool(runner.status() and runner.status()[0].shards))
    eventually(lambda: bool(cloud.places))
    assert cloud.places[0]["ShardIteratorType"] == "LATEST"
    cloud.iterators_valid = False
    eventually(lambda: cloud.places[-1]["ShardIteratorType"] == "AT_TIMESTAMP")


def test_a_starting_time_is_handed_on(cloud: FakeCloud, runner: MappingRunner) -> None:
    """AT_TIMESTAMP begins with the first record at or after the time."""
    from datetime import UTC, datetime

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    cloud.add_mapping(StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=moment)
    eventually(lambda: bool(cloud.places))
    assert (cloud.places[0]["ShardIteratorType"], cloud.places[0]["Timestamp"]) == ("AT_TIMESTAMP", moment)


def test_a_forgotten_starting_time_reads_everything(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Too much is better than too little where the emulator does not keep the time."""
    cloud.add_mapping(StartingPosition="AT_TIMESTAMP")
    eventually(lambda: bool(cloud.places))
    assert cloud.places[0]["ShardIteratorType"] == "TRIM_HORIZON"


def test_child_shards_are_read_from_their_beginning_after_their_parent(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Even where the mapping began with LATEST: what a child holds came later."""
    cloud.add_mapping(StartingPosition="LATEST")
    eventually(lambda: bool(cloud.places))
    held = threading.Event()
    cloud.answer = holding(held, "1")
    cloud.shards["shardId-0"] += ["1"]
    cloud.parents["shardId-1"] = "shardId-0"
    cloud.closed.add("shardId-0")
    cloud.shards["shardId-1"] = ["2"]
    eventually(lambda: cloud.invoked == [["1"]])
    assert not any(place["ShardId"] == "shardId-1" for place in cloud.places)
    held.set()
    eventually(lambda: cloud.invoked == [["1"], ["2"]])


def test_a_shard_that_vanished_is_finished_with_what_was_read(cloud: FakeCloud, runner: MappingRunner) -> None:
    """The emulator removes parents at once; children go on."""
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    cloud.parents["shardId-1"] = "shardId-0"
    del cloud.shards["shardId-0"]
    cloud.shards["shardId-1"] = ["2"]
    eventually(lambda: cloud.invoked == [["1"], ["2"]])


def test_a_slow_function_delays_no_other_mapping(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Each mapping and shard is by itself."""
    held = threading.Event()
    slow = {"holding": False}

    def answer(_sequences: list[str]) -> dict[str, Any]:
        if not slow["holding"]:
            slow["holding"] = True
            held.wait(5.0)
        return {}

    cloud.answer = answer
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping("m1")
    eventually(lambda: slow["holding"])
    cloud.shards["shardId-0"] += ["2"]
    cloud.add_mapping("m2")
    eventually(lambda: ["1", "2"] in cloud.invoked)
    statuses = {status.mapping_id: status for status in runner.status()}
    assert statuses["m1"].shards[0].in_flight == 1
    held.set()


@pytest.mark.parametrize(
    ("destination", "place", "has_payload"),
    [
        ("arn:aws:sqs:us-east-1:123456789012:failures", "http://queue/123456789012/failures", False),
        ("arn:aws:sns:us-east-1:123456789012:failures", "arn:aws:sns:us-east-1:123456789012:failures", False),
        ("arn:aws:s3:::failures", "failures/aws/lambda/m1/shardId-0/", True),
    ],
)
def test_a_discarded_batch_reaches_its_destination(
    cloud: FakeCloud, runner: MappingRunner, destination: str, place: str, has_payload: bool
) -> None:
    """Queue, topic or bucket, then the next batch."""
    cloud.answer = lambda sequences: {"FunctionError": "Unhandled"} if "1" in sequences else {}
    cloud.shards["shardId-0"] += ["1", "2"]
    cloud.add_mapping(
        BatchSize=1, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": destination}}
    )
    eventually(lambda: ["2"] in cloud.invoked)
    ((where, what),) = cloud.sent
    assert where.startswith(place)
    assert what["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert what["requestContext"]["requestId"] == "r1"
    assert ("payload" in what) is has_payload
    assert runner.status()[0].shards[0].discarded == 1


@pytest.mark.parametrize(
    "error",
    [
        refusal("TooManyRequestsException"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ResponseParserError("half an answer"),
    ],
    ids=["throttled", "no connection", "half an answer"],
)
def test_throttled_invocations_are_tried_again(cloud: FakeCloud, runner: MappingRunner, error: Exception) -> None:
    """What does not reach the function is no function error: no retry is used up."""
    left = [1, 2, 3]

    def answer(_sequences: list[str]) -> dict[str, Any]:
        if left:
            left.pop()
            raise error
        return {}

    cloud.answer = answer
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping(MaximumRetryAttempts=0)
    eventually(lambda: bool(runner.status() and runner.status()[0].shards and runner.status()[0].shards[0].delivered))
    assert cloud.invoked == [["1"]] * 4


@pytest.mark.parametrize(
    ("body", "again"),
    [(b'{"batchItemFailures": [{"itemIdentifier": "2"}]}', ["2", "3"]), (b"", None), (b"not json", None)],
)
def test_answers_are_read_as_json(
    cloud: FakeCloud, runner: MappingRunner, body: bytes, again: list[str] | None
) -> None:
    """Partial failures, nothing at all, and something else."""
    answers = [body]
    cloud.answer = lambda _sequences: {"Payload": BytesIO(answers.pop() if answers else b"null")}
    cloud.shards["shardId-0"] += ["1", "2", "3"]
    cloud.add_mapping(FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(
        lambda: bool(runner.status() and runner.status()[0].shards and runner.status()[0].shards[0].delivered == 3)
    )
    assert cloud.invoked == [["1", "2", "3"]] + ([again] if again else [])


@pytest.mark.parametrize(("body", "payload"), [(b"", None), (b"null", None), (b"{}", {}), (b"{", UNREADABLE)])
def test_an_empty_answer_is_null(cloud: FakeCloud, body: bytes, payload: Any) -> None:
    """And not one that cannot be read."""
    source = Source(stream_arn=STREAM, region="us-east-1", role_arn=ROLE)
    clients: Any = cloud
    calls = Calls(clients=clients, mapping_id="m1", function_arn="f", source=source, destination=None)
    cloud.answer = lambda _sequences: {"Payload": BytesIO(body)}
    assert calls.invoke(Invoke(1, ())) == Responded(payload, "r1")


def test_a_mapping_that_cannot_run_says_why(cloud: FakeCloud, runner: MappingRunner) -> None:
    """And keeps nobody else from running."""
    cloud.add_mapping("m1", ParallelizationFactor=99)
    cloud.add_mapping("m2")
    cloud.shards["shardId-0"] += ["1"]
    eventually(lambda: cloud.invoked == [["1"]])
    problems = {status.mapping_id: status.problem for status in runner.status()}
    assert problems == {"m1": "ParallelizationFactor is 99; allowed is 1 to 10", "m2": ""}


def test_status_tells_position_and_lag(cloud: FakeCloud, runner: MappingRunner) -> None:
    """Checkpoint, what waits, what is under way, how old it is."""
    held = threading.Event()
    cloud.answer = holding(held, "2")
    cloud.shards["shardId-0"] += ["1", "2", "3"]
    cloud.add_mapping(BatchSize=1)
    eventually(lambda: ["2"] in cloud.invoked)
    (shard,) = runner.status()[0].shards
    assert (shard.shard_id, shard.checkpoint, shard.waiting, shard.in_flight) == ("shardId-0", "1", 2, 1)
    assert shard.delivered == 1
    assert 0.0 < shard.lag < 60.0
    held.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_shard_that_broke_says_so(cloud: FakeCloud, runner: MappingRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of does not look like a mapping that has nothing to do."""
    cloud.add_mapping()
    eventually(lambda: bool(runner.status() and runner.status()[0].shards))
    monkeypatch.setattr(cloud, "get_records", lambda **_arguments: {"Records": [{}]})
    eventually(lambda: runner.status()[0].shards[0].trouble == "it ended on an error of its own")


def test_stopping_waits_for_what_is_under_way(cloud: FakeCloud, runner: MappingRunner) -> None:
    """And starts nothing new."""
    held = threading.Event()
    cloud.answer = holding(held)
    cloud.shards["shardId-0"] += ["1", "2"]
    cloud.add_mapping(BatchSize=1)
    eventually(lambda: cloud.invoked == [["1"]])
    threading.Timer(0.05, held.set).start()
    runner.stop(timeout=5.0)
    assert cloud.invoked == [["1"]]
    assert runner.status()[0].shards[0].checkpoint == "1"


def test_stopping_does_not_wait_for_ever(cloud: FakeCloud, runner: MappingRunner) -> None:
    """A function that hangs is left behind."""
    held = threading.Event()
    cloud.answer = holding(held)
    cloud.shards["shardId-0"] += ["1"]
    cloud.add_mapping()
    eventually(lambda: cloud.invoked == [["1"]])
    before = time.monotonic()
    runner.stop(timeout=0.1)
    assert time.monotonic() - before < 2.0
    eventually(lambda: not any(thread.name.startswith("mapping m1") for thread in threading.enumerate()))
    held.set()
