"""The mapping runner against the real emulator, with real functions in their own processes."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from constructs_lib.local.emulator import Emulator
from constructs_lib.local.event_source_mapping.runner import MappingRunner, MappingStatus
from constructs_lib.local.event_source_mapping.unknowns import Backoff, Unknowns
from tests.e2e.event_source_mapping_probe import QUESTIONS, Probe, zipped

pytestmark = pytest.mark.local_cloud

REGION = "us-east-1"
UNKNOWNS = Unknowns(backoff=Backoff(first=0.2, longest=1.0))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), port=0)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def runner(emulator: Emulator) -> Iterator[MappingRunner]:
    running = MappingRunner(emulator.url, [REGION], unknowns=UNKNOWNS)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def probe(emulator: Emulator, runner: MappingRunner) -> Probe:
    def busy(name: str) -> bool:
        shards = [shard for one in runner.status() if one.function_arn.endswith(f":{name}") for shard in one.shards]
        return not shards or any(
            shard.waiting or not (shard.delivered + shard.filtered + shard.discarded) for shard in shards
        )

    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return Probe(REGION, emulator.url, credentials, start_patience=2.0, patience=2.0, busy=busy)


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def status(runner: MappingRunner, function: str) -> MappingStatus:
    return next(one for one in runner.status() if one.function_arn.endswith(f":{function}"))


def function(probe: Probe, name: str, source: str) -> None:
    probe.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="handler.handle",
        Role="arn:aws:iam::000000000000:role/worker",
        Timeout=30,
        Code={"ZipFile": zipped(source)},
    )


def stream(probe: Probe, name: str) -> str:
    kinesis = probe.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    arn: str = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    return arn


def delivered(runner: MappingRunner, name: str) -> int:
    found = [one for one in runner.status() if one.function_arn.endswith(f":{name}")]
    return sum(shard.delivered for one in found for shard in one.shards)


def test_the_probe_finds_the_choices_the_local_cloud_was_started_with(probe: Probe) -> None:
    """So it can tell them apart, and the runner keeps every rule that the state machine knows."""
    with ThreadPoolExecutor(3) as pool:
        answers = dict(zip([one.unknown for one in QUESTIONS], pool.map(probe.ask, QUESTIONS), strict=True))
    assert answers == {name: getattr(UNKNOWNS, name).name for name in answers}


def test_a_poison_record_ends_in_the_bucket(runner: MappingRunner, probe: Probe) -> None:
    """Bisected, retried, discarded with its payload; the others are delivered."""
    function(
        probe,
        "poisoned",
        "def handle(event, context):\n    assert all(r['kinesis']['partitionKey'] != 'poison' for r in event['Records'])\n",
    )
    arn = stream(probe, "poisoned")
    probe.client("s3").create_bucket(Bucket="quarantine")
    for key in ("a", "b", "poison", "c"):
        probe.client("kinesis").put_record(StreamName="poisoned", PartitionKey=key, Data=b"{}")
    probe.client("lambda").create_event_source_mapping(
        FunctionName="poisoned",
        EventSourceArn=arn,
        StartingPosition="TRIM_HORIZON",
        BatchSize=100,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::quarantine"}},
    )
    eventually(lambda: delivered(runner, "poisoned") == 3)
    s3 = probe.client("s3")
    eventually(lambda: bool(s3.list_objects_v2(Bucket="quarantine").get("KeyCount")))
    (entry,) = s3.list_objects_v2(Bucket="quarantine")["Contents"]
    assert entry["Key"].startswith(f"aws/lambda/{status(runner, 'poisoned').mapping_id}/shardId-000000000000/")
    record = json.loads(s3.get_object(Bucket="quarantine", Key=entry["Key"])["Body"].read())
    assert record["requestContext"]["approximateInvokeCount"] == 2
    (lost,) = json.loads(record["payload"])["Records"]
    assert lost["kinesis"]["partitionKey"] == "poison"


def test_changes_of_a_table_reach_a_function(runner: MappingRunner, probe: Probe) -> None:
    """DynamoDB streams too, filtered by the kind of change."""
    function(probe, "changes", "def handle(event, context):\n    assert event['Records'][0]['eventName'] == 'INSERT'\n")
    table: Any = probe.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    probe.client("lambda").create_event_source_mapping(
        FunctionName="changes",
        EventSourceArn=table["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
    )
    probe.client("dynamodb").put_item(TableName="orders", Item={"id": {"S": "1"}, "raw": {"B": b"\x00\xff"}})
    probe.client("dynamodb").delete_item(TableName="orders", Key={"id": {"S": "1"}})
    eventually(lambda: delivered(runner, "changes") == 1)
    eventually(lambda: sum(shard.filtered for shard in status(runner, "changes").shards) == 1)


def test_a_slow_function_delays_nobody(runner: MappingRunner, probe: Probe) -> None:
    """While one function sleeps, another gets its records as quickly as ever."""
    function(probe, "sleepy", "import time\n\ndef handle(event, context):\n    time.sleep(5)\n")
    function(probe, "quick", "def handle(event, context):\n    pass\n")
    for name in ("sleepy", "quick"):
        probe.client("lambda").create_event_source_mapping(
            FunctionName=name, EventSourceArn=stream(probe, name), StartingPosition="TRIM_HORIZON", BatchSize=1
        )
    kinesis = probe.client("kinesis")
    kinesis.put_record(StreamName="quick", PartitionKey="warm", Data=b"{}")
    eventually(lambda: delivered(runner, "quick") == 1)
    kinesis.put_record(StreamName="sleepy", PartitionKey="a", Data=b"{}")
    eventually(lambda: any(shard.in_flight for shard in status(runner, "sleepy").shards))
    for number in range(5):
        kinesis.put_record(StreamName="quick", PartitionKey=str(number), Data=b"{}")
    eventually(lambda: delivered(runner, "quick") == 6, seconds=3.0)
    assert delivered(runner, "sleepy") == 0


def test_a_disabled_mapping_resumes_where_it_was(runner: MappingRunner, probe: Probe) -> None:
    """Over the API, as an operator would."""
    function(probe, "paused", "def handle(event, context):\n    pass\n")
    functions, kinesis = probe.client("lambda"), probe.client("kinesis")
    mapping = functions.create_event_source_mapping(
        FunctionName="paused", EventSourceArn=stream(probe, "paused"), StartingPosition="TRIM_HORIZON"
    )["UUID"]
    kinesis.put_record(StreamName="paused", PartitionKey="a", Data=b"{}")
    eventually(lambda: delivered(runner, "paused") == 1)
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    eventually(lambda: not status(runner, "paused").enabled)
    kinesis.put_record(StreamName="paused", PartitionKey="a", Data=b"{}")
    time.sleep(0.5)
    assert delivered(runner, "paused") == 1
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    eventually(lambda: delivered(runner, "paused") == 2)
