"""The real table: what it is asked of DynamoDB, and that the table in memory does the same."""

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.parking_store import ParkingStore, S3Payloads
from constructs_lib.runtime.parking_table import DynamoDBTable
from constructs_lib.runtime.records import stream_arrivals
from constructs_lib.runtime.stream_ports import Parked
from constructs_lib.runtime.table_writes import Above, Delete, Is, Put, Update, Write
from tests.unit.runtime.events import ARRIVED, change_record
from tests.unit.runtime.parking_world import MemoryTable, World, parked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client


@pytest.fixture
def dynamodb(aws: None) -> "DynamoDBClient":
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture
def s3(aws: None) -> "S3Client":
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


@pytest.fixture
def store(dynamodb: "DynamoDBClient", s3: "S3Client") -> ParkingStore:
    payloads = S3Payloads(client=s3, bucket="bucket", dependency="slack")
    return ParkingStore(DynamoDBTable(client=dynamodb, name="state"), payloads)


def test_records_are_parked_and_worked_off_in_dynamodb(store: ParkingStore, dynamodb: "DynamoDBClient") -> None:
    """The whole way with the real client: two parkings, one of them a repetition, a drainer, and nothing left."""
    world = World()
    world.store = store
    world.park(*(parked(position) for position in range(1, 61)), until=ARRIVED + 5)
    world.park(*(parked(position) for position in range(40, 71)))
    world.park(parked(100, tenant="globex"))
    assert store.waiting(["acme", "globex", "other"]) == {"acme", "globex"}
    assert store.markers()["=acme"].rows == 70
    world.drain()
    assert world.done[0] == "100"
    assert world.done[1:] == [str(position) for position in range(1, 71)]
    [status] = dynamodb.scan(TableName="state")["Items"]
    assert status == {"pk": {"S": "status"}, "sk": {"S": "status"}, "parked": {"N": "0"}}


def test_rows_come_back_as_they_were(store: ParkingStore) -> None:
    """Times, payloads, and where they came from; also changes of items, which are no envelopes."""
    arrival = stream_arrivals(
        {"Records": [change_record("7", NewImage={"tenant": {"S": "acme"}, "n": {"N": "1.10"}})]}
    )[0]
    for each in (parked(1, arrived=ARRIVED + 0.125), Parked(arrival=arrival, record=arrival.read())):
        store.park("acme", [each], until=0)
    first, second = (store.arrival(row) for row in store.rows("=acme"))
    assert (first.read(), first.arrived.timestamp()) == (parked(1).record, ARRIVED + 0.125)
    assert (second.name, second.partition_key, second.read()) == (arrival.name, None, arrival.read())


def test_large_payload_is_an_object_of_the_quarantine_bucket(store: ParkingStore, s3: "S3Client") -> None:
    """Under `parked/`, stored before the row that points there."""
    large = parked(1, text="ä" * 70_000)
    store.park("acme", [large, parked(2)], until=0)
    [key] = [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert key == "parked/slack/shardId-000000000006-1"
    first, _ = store.rows("=acme")
    assert store.arrival(first).payload == large.arrival.payload


def test_large_pile_is_read_page_by_page(store: ParkingStore) -> None:
    """DynamoDB answers with a megabyte at a time, and with fewer rows where fewer are wanted."""
    store.park("acme", [parked(position, text="x" * 300_000) for position in range(1, 9)], until=0)
    assert [row.content["position"] for row in store.rows("=acme")] == [str(position) for position in range(1, 9)]
    assert len(list(store.rows("=acme", most=3))) == 3


PARTS = st.sampled_from(["a", "b"])
CONDITIONS = st.one_of(
    st.builds(Is, st.just("n"), st.integers(0, 3)),
    st.builds(Is, st.just("owner"), st.sampled_from(["", "me"])),
    st.builds(Above, st.just("n"), st.integers(0, 3)),
)
WHEN = st.lists(CONDITIONS, max_size=2).map(tuple)
ITEMS = st.fixed_dictionaries(
    {"n": st.integers(0, 3), "owner": st.sampled_from(["", "me"])},
    optional={"set": st.sampled_from([0.5, 1_795_230_245.503])},
)
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(Put, PARTS, PARTS, ITEMS),
    st.builds(Delete, PARTS, PARTS, WHEN),
    st.builds(
        Update,
        pk=PARTS,
        sk=PARTS,
        set=ITEMS.map(lambda item: {"owner": item["owner"]}),
        add=st.just({"n": 1}),
        when=WHEN,
    ),
    st.builds(Update, pk=PARTS, sk=PARTS, set=st.just({}), add=st.just({"n": -1}), when=WHEN),
)
TRANSACTIONS = st.lists(WRITES, min_size=1, max_size=3, unique_by=lambda write: (write.pk, write.sk))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=8))
def test_table_in_memory_does_what_dynamodb_does(dynamodb: "DynamoDBClient", transactions: list[list[Write]]) -> None:
    """What the other tests build on: same refusals, same items, whatever is written."""
    real = DynamoDBTable(client=dynamodb, name="state")
    memory = MemoryTable(checks=False)
    for entry in dynamodb.scan(TableName="state")["Items"]:
        dynamodb.delete_item(TableName="state", Key={"pk": entry["pk"], "sk": entry["sk"]})
    for writes in transactions:
        assert real.transact(writes) == memory.transact(writes)
        for part in ("a", "b"):
            assert list(real.items(part)) == list(memory.items(part))
            assert real.item(part, "a") == memory.item(part, "a")


class StubbornClient:
    """A client whose transactions are cancelled for these reasons, one after the other."""

    def __init__(self, *answers: ClientError) -> None:
        self.answers = list(answers)
        self.calls = 0

    def transact_write_items(self, **_: Any) -> None:
        self.calls += 1
        if self.answers:
            raise self.answers.pop(0)


def cancelled(*codes: str) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return ClientError(answer, "TransactWriteItems")


def failed(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "TransactWriteItems")


TWO: list[Write] = [Delete("a", "a"), Delete("a", "b")]


@pytest.mark.parametrize(
    "error",
    [
        cancelled("None", "TransactionConflict"),
        cancelled("ThrottlingError", "None"),
        failed("TransactionInProgressException"),
    ],
)
def test_what_other_transactions_are_in_the_way_of_is_tried_again(error: ClientError) -> None:
    """After growing pauses that are not in step, as nothing has been written."""
    client: Any = StubbornClient(*[error] * 5)
    pauses: list[float] = []
    assert DynamoDBTable(client=client, name="state", sleep=pauses.append).transact(TWO) == frozenset()
    assert client.calls == 6
    assert len(set(pauses)) == 5
    assert all(pause <= 0.02 * 2**number for number, pause in enumerate(pauses))


def test_refusal_beside_a_conflict_is_a_refusal() -> None:
    """To try the same again would be refused again: the caller has to look first."""
    client: Any = StubbornClient(cancelled("TransactionConflict", "ConditionalCheckFailed"))
    assert DynamoDBTable(client=client, name="state").transact(TWO) == {1}


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (cancelled("None", "ValidationError"), 1),
        (failed("ResourceNotFoundException"), 1),
        (cancelled("TransactionConflict", "None"), 8),
    ],
)
def test_what_does_not_pass_is_an_error(error: ClientError, calls: int) -> None:
    """The caller learns that nothing is stored; conflicts without end are one too."""
    client: Any = StubbornClient(*[error] * 100)
    with pytest.raises(ClientError):
        DynamoDBTable(client=client, name="state", sleep=lambda _: None).transact(TWO)
    assert client.calls == calls


def test_payload_is_stored_as_received(store: ParkingStore, dynamodb: "DynamoDBClient") -> None:
    """A person with a console can read it."""
    store.park("acme", [parked(1, text="sesame")], until=0)
    rows = [item for item in dynamodb.scan(TableName="state")["Items"] if item["pk"]["S"] == "tenant#=acme"]
    assert json.loads(rows[0]["payload"]["S"])["body"] == {"text": "sesame"}


def test_every_read_is_strongly_consistent(store: ParkingStore, dynamodb: "DynamoDBClient") -> None:
    """A marker that has just been written must be seen by whoever comes next."""
    asked: list[object] = []
    for operation in ("GetItem", "Query"):
        dynamodb.meta.events.register(
            f"before-parameter-build.dynamodb.{operation}",
            lambda params, **_: asked.append(params.get("ConsistentRead")),
        )
    world = World()
    world.store = store
    world.park(parked(1))
    assert store.waiting(["acme"]) == {"acme"}
    world.drain()
    assert set(asked) == {True}
    assert len(asked) > 5
