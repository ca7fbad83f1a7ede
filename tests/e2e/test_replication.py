"""Global tables between the regions of a real emulator: two tables that know nothing of each other, kept alike."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config

from constructs_lib.local.emulator import Emulator
from constructs_lib.local.replication.runner import GlobalTables, ReplicaStatus
from constructs_lib.local.replication.tables import GlobalTable

pytestmark = pytest.mark.local_cloud

HOME, AWAY = "us-east-1", "eu-west-1"
_NUMBERS = count()

Item = dict[str, Any]


class Regions:
    """A process for each region, as behind the router."""

    def __init__(self, emulators: dict[str, Emulator]) -> None:
        self.emulators = emulators
        self._session: Any = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = self._session.client(
                service,
                region_name=region,
                endpoint_url=self.emulators[region].url,
                # A region that is lost shall be noticed soon.
                config=Config(read_timeout=2, retries={"total_max_attempts": 1}),
            )
        return self._clients[service, region]


class Table:
    """A global table of its own for one test."""

    def __init__(self, regions: Regions, **options: Any) -> None:
        self.name = f"table-{next(_NUMBERS)}"
        self._client = regions.client
        attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "part", "owner")]
        self._client("dynamodb", HOME).create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "part", "KeyType": "RANGE"}],
            AttributeDefinitions=attributes,
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-owner",
                    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self.definition = GlobalTable(name=self.name, home=HOME, regions=(HOME, AWAY), **options)

    def put(self, region: str, name: str, /, **attributes: Any) -> None:
        self._client("dynamodb", region).put_item(TableName=self.name, Item=item(name, **attributes))

    def delete(self, region: str, name: str) -> None:
        self._client("dynamodb", region).delete_item(TableName=self.name, Key=item(name))

    def items(self, region: str) -> list[Item]:
        found = self._client("dynamodb", region).scan(TableName=self.name, ConsistentRead=True)["Items"]
        return sorted(found, key=lambda one: str(one["id"]["S"]))

    def stream(self, region: str) -> list[tuple[str, Item | None]]:
        """What the stream of one replica shows: kind of change, and the new image."""
        return [(record["eventName"], record["dynamodb"].get("NewImage")) for record in self.records(region)]

    def records(self, region: str) -> list[dict[str, Any]]:
        """The stream of one replica."""
        described = self._client("dynamodb", region).describe_table(TableName=self.name)["Table"]
        streams, arn = self._client("dynamodbstreams", region), described["LatestStreamArn"]
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return list(streams.get_records(ShardIterator=iterator)["Records"])


def item(name: str, /, **attributes: Any) -> Item:
    return {"id": {"S": name}, "part": {"S": "only"}, **attributes}


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def same(table: Table) -> bool:
    return table.items(HOME) == table.items(AWAY)


@contextmanager
def lost(regions: Regions, region: str) -> Iterator[None]:
    """Nothing in *region* answers; what it knows stays."""
    group = int((regions.emulators[region].directory / "emulator.pid").read_text())
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def replica(links: GlobalTables, region: str) -> ReplicaStatus:
    return next(one for one in links.status()[0].replicas if one.region == region)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    emulators = {region: Emulator(tmp_path_factory.mktemp(region), port=0) for region in (HOME, AWAY)}
    try:
        for emulator in emulators.values():
            emulator.start()
        yield Regions(emulators)
    finally:
        for emulator in emulators.values():
            emulator.stop()


@pytest.fixture
def linked(regions: Regions) -> Iterator[Callable[..., GlobalTables]]:
    running = []

    def link(
        *tables: Table, among: Regions = regions, present: Sequence[str] = (HOME, AWAY), lag: float = 0.0
    ) -> GlobalTables:
        links = GlobalTables(among.client, [table.definition for table in tables], present, lag=lag)
        running.append(links)
        links.start(patience=5.0)
        return links

    yield link
    for one in running:
        one.stop()


def test_a_missing_replica_is_made_like_the_others(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """Keys, indexes, stream, expiry and recovery are those of the table in its home region."""
    table = Table(regions, time_to_live="expires", recoverable=(AWAY,))
    linked(table)
    home, away = (
        regions.client("dynamodb", region).describe_table(TableName=table.name)["Table"] for region in (HOME, AWAY)
    )
    for part in ("KeySchema", "AttributeDefinitions", "StreamSpecification"):
        assert away[part] == home[part]
    assert [index["IndexName"] for index in away["GlobalSecondaryIndexes"]] == ["by-owner"]
    assert away["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    for region, recovery in ((HOME, "DISABLED"), (AWAY, "ENABLED")):
        client = regions.client("dynamodb", region)
        expiry = client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
        backups = client.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == recovery


def test_writes_and_deletions_reach_the_other_region_and_its_stream(
    regions: Regions, linked: Callable[..., GlobalTables]
) -> None:
    """Both ways, each change once: nothing comes back."""
    table = Table(regions)
    links = linked(table)
    everything = {
        "text": {"S": "é"},
        "number": {"N": "1.50"},
        "bytes": {"B": b"\x00\xff"},
        "texts": {"SS": ["b", "a"]},
        "nested": {"M": {"list": {"L": [{"N": "1e3"}, {"NULL": True}, {"BOOL": False}]}}},
    }
    table.put(HOME, "1", **everything)
    table.put(AWAY, "2")
    eventually(lambda: len(table.items(HOME)) == 2 and same(table))
    table.put(AWAY, "1", **everything, added={"S": "away"})
    eventually(lambda: same(table) and "added" in table.items(HOME)[0])
    table.delete(HOME, "1")
    eventually(lambda: len(table.items(AWAY)) == 1 and same(table))
    time.sleep(0.3)  # an echo would be on its way by now
    for region in (HOME, AWAY):
        changes = [(kind, image["id"]["S"] if image else None) for kind, image in table.stream(region)]
        assert sorted(changes, key=str) == [("INSERT", "1"), ("INSERT", "2"), ("MODIFY", "1"), ("REMOVE", None)]
    (status,) = links.status()
    assert {pair.arrived for pair in status.pairs} == {2}
    assert all(pair.latency is not None and 0 < pair.latency < 5000 for pair in status.pairs)


def test_what_expires_in_one_region_is_deleted_in_the_other(
    regions: Regions, linked: Callable[..., GlobalTables]
) -> None:
    """By the service where it expired, as its stream says; elsewhere by replication, as if an application had done it."""
    table = Table(regions, time_to_live="expires")
    linked(table)
    # So that only one region's clock decides.
    regions.client("dynamodb", AWAY).update_time_to_live(
        TableName=table.name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )
    table.put(HOME, "1", expires={"N": str(int(time.time()) - 1)})
    eventually(lambda: [kind for kind, _ in table.stream(AWAY)] == ["INSERT", "REMOVE"], seconds=30)
    assert table.items(HOME) == table.items(AWAY) == []
    by = {region: table.records(region)[-1].get("userIdentity") for region in (HOME, AWAY)}
    assert by == {HOME: {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}, AWAY: None}


def test_a_partition_ends_with_the_last_writer_in_both_regions(
    regions: Regions, linked: Callable[..., GlobalTables]
) -> None:
    """Each region goes on with its own writes; afterwards the later one is everywhere, the other one is gone."""
    table = Table(regions)
    links = linked(table)
    links.pause(HOME, AWAY)
    table.put(HOME, "1", by={"S": "home"})
    table.put(AWAY, "2", by={"S": "away"})
    time.sleep(0.01)
    table.put(AWAY, "1", by={"S": "away"})
    table.put(HOME, "2", by={"S": "home"})
    eventually(lambda: [pair.waiting for pair in links.status()[0].pairs] == [2, 2])
    assert [one["by"]["S"] for one in table.items(HOME)] == ["home", "home"]
    assert [one["by"]["S"] for one in table.items(AWAY)] == ["away", "away"]
    links.resume(HOME, AWAY)
    eventually(lambda: same(table) and [one["by"]["S"] for one in table.items(HOME)] == ["away", "home"])
    assert [pair.overruled for pair in links.status()[0].pairs] == [1, 1]


def test_a_change_arrives_after_the_lag(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """Set at the start or while it runs."""
    table = Table(regions)
    links = linked(table, lag=600.0)
    table.put(HOME, "1")
    eventually(lambda: any(pair.waiting for pair in links.status()[0].pairs))
    assert table.items(AWAY) == []
    links.set_lag(0.0)
    eventually(lambda: same(table))


def test_writers_in_both_regions_end_with_the_same_items(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """Many writes of few items at the same time, counters among them, and no increment of a region is lost to its own."""
    table = Table(regions)
    links = linked(table)
    clients = {region: regions.client("dynamodb", region) for region in (HOME, AWAY)}
    for number in range(150):
        for region, client in clients.items():
            client.update_item(
                TableName=table.name,
                Key=item(str(number % 3)),
                UpdateExpression="SET #region = :n",
                ExpressionAttributeNames={"#region": region},
                ExpressionAttributeValues={":n": {"N": str(number)}},
            )
            client.update_item(
                TableName=table.name,
                Key=item(region),
                UpdateExpression="ADD hits :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
    eventually(lambda: same(table) and not any(pair.waiting for pair in links.status()[0].pairs))
    counters = {one["id"]["S"]: one["hits"]["N"] for one in table.items(HOME) if "hits" in one}
    assert counters == {HOME: "150", AWAY: "150"}


def test_nothing_is_lost_while_a_region_does_not_answer(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """What was written elsewhere arrives when it is back, and what was written there before goes out."""
    table = Table(regions)
    links = linked(table)
    table.put(AWAY, "1", by={"S": "away"})
    eventually(lambda: same(table))
    links.set_lag(600.0)
    table.put(AWAY, "2")
    with lost(regions, AWAY):
        links.set_lag(0.0)
        table.put(HOME, "1", by={"S": "home"})
        table.put(HOME, "3")
        eventually(lambda: bool(replica(links, AWAY).problem), seconds=60)
        assert not replica(links, HOME).problem
    eventually(lambda: same(table) and [one["id"]["S"] for one in table.items(AWAY)] == ["1", "2", "3"])
    assert table.items(AWAY)[0]["by"] == {"S": "home"}
    eventually(lambda: not replica(links, AWAY).problem)


def test_regions_may_share_a_process(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """A table of the same name in two regions of one emulator is two tables, alike through us only."""
    shared = Regions(dict.fromkeys((HOME, AWAY), regions.emulators[HOME]))
    table = Table(shared)
    links = linked(table, among=shared)
    links.pause(HOME, AWAY)
    table.put(HOME, "1")
    eventually(lambda: any(pair.waiting for pair in links.status()[0].pairs))
    assert table.items(AWAY) == []
    links.resume(HOME, AWAY)
    eventually(lambda: same(table))


def test_a_stop_and_a_start_lose_nothing(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """It goes on where it was."""
    table = Table(regions)
    links = linked(table)
    table.put(HOME, "1")
    eventually(lambda: same(table))
    links.stop()
    table.put(HOME, "2")
    table.delete(AWAY, "1")
    assert not same(table)
    links.start()
    eventually(lambda: same(table) and [one["id"]["S"] for one in table.items(HOME)] == ["2"])


def test_replicas_where_the_cloud_is_not_are_left_out(regions: Regions, linked: Callable[..., GlobalTables]) -> None:
    """And the status says so."""
    table = Table(regions)
    (status,) = linked(table, present=(HOME,)).status()
    assert status.left_out == (AWAY,)
    assert [one.region for one in status.replicas] == [HOME]


def test_a_region_that_is_away_at_the_start_gets_its_replica_later(
    regions: Regions, linked: Callable[..., GlobalTables]
) -> None:
    """With everything that was written meanwhile."""
    table = Table(regions)
    with lost(regions, AWAY):
        links = linked(table)
        assert (replica(links, HOME).ready, replica(links, AWAY).ready) == (True, False)
        table.put(HOME, "1")
    eventually(lambda: replica(links, AWAY).ready)
    eventually(lambda: same(table))
