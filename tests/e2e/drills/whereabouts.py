"""Where an event is that has not arrived: in a queue, on a stream, parked, in a dead-letter queue, or in quarantine."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from constructs_lib.local.drill.subject import Place
from tests.e2e.run.system import System


def find(system: System, event_ids: Collection[str]) -> dict[str, Place]:
    """The events among *event_ids* that are found, and where."""
    events_of: dict[str, set[str]] = {}
    for row in system.rows(system.regions[0]):
        for event_id in row.event_ids:
            if event_id in event_ids:
                events_of.setdefault(row.alert_id, set()).add(event_id)
    found: dict[str, Place] = {}
    for region in system.regions:
        for place, text in _texts(system, region):
            found.update({each: place for each in event_ids if each in text})
        kept = (*_on_streams(system, region), *_parked(system, region), *_in_quarantine(system, region))
        for place, alert_id in kept:
            found.update(dict.fromkeys(events_of.get(alert_id, ()), place))
    return found


def _texts(system: System, region: str) -> Iterator[tuple[Place, str]]:
    client = system.cloud.client("sqs", region)
    for key, url in resources(system, region, "AWS::SQS::Queue"):
        place: Place = "held" if "DeadLetter" in key else "waiting"
        seen: set[str] = set()
        while True:
            # Seen and left where they are. A queue gives what it has in no order: ask until it shows nothing new.
            messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1).get(
                "Messages", ()
            )
            fresh = [message for message in messages if message["MessageId"] not in seen]
            if not fresh:
                break
            for message in fresh:
                seen.add(message["MessageId"])
                yield place, message["Body"]


def _on_streams(system: System, region: str) -> Iterator[tuple[Place, str]]:
    """What the mappings have not yet done."""
    client = system.cloud.client("kinesis", region)
    assert system.cloud.mappings is not None
    for mapping in system.cloud.mappings.status():
        if mapping.region != region or ":kinesis:" not in mapping.stream_arn:
            continue
        for shard in mapping.shards:
            begin = {"ShardIteratorType": "TRIM_HORIZON"}
            if shard.checkpoint:
                begin = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": shard.checkpoint}
            iterator = client.get_shard_iterator(StreamARN=mapping.stream_arn, ShardId=shard.shard_id, **begin)
            for record in _records(client, iterator["ShardIterator"]):
                if (key := _key(record["Data"])) is not None:
                    yield "waiting", key


def _records(client: Any, iterator: str) -> Iterator[Mapping[str, Any]]:
    while True:
        answer = client.get_records(ShardIterator=iterator)
        if not answer["Records"]:
            return
        yield from answer["Records"]
        iterator = answer["NextShardIterator"]


def _parked(system: System, region: str) -> Iterator[tuple[Place, str]]:
    """What waits for its tenant; the stand-ins' records are small, so the rows hold them."""
    client = system.cloud.client("dynamodb", region)
    for key, table in resources(system, region, "AWS::DynamoDB::Table"):
        if "State" not in key:
            continue
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                if item["pk"]["S"].startswith("tenant#") and (alert := _key(item["payload"]["S"])) is not None:
                    yield "waiting", alert


def _key(data: bytes | str) -> str | None:
    try:
        envelope = json.loads(data)
    except ValueError:
        return None
    return envelope.get("key") if isinstance(envelope, dict) else None


def _in_quarantine(system: System, region: str) -> Iterator[tuple[Place, str]]:
    client = system.cloud.client("s3", region)
    for _, bucket in resources(system, region, "AWS::S3::Bucket"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", ()):
                content = json.loads(client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
                if isinstance(content.get("key"), str):
                    yield "quarantined", content["key"]


def resources(system: System, region: str, kind: str) -> Iterator[tuple[str, str]]:
    """Logical id and name of the region's resources of *kind*."""
    for key, (found, name) in system.cloud.stack(f"Alerting-{region}").resources.items():
        if found == kind:
            yield key, name
