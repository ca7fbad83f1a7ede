"""Reading Kinesis and DynamoDB streams: shards, and records by position."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.local.event_source_mapping.config import DAY
from constructs_lib.local.event_source_mapping.messages import Record
from constructs_lib.local.event_source_mapping.records import Source, dynamodb_record, kinesis_record

TRIM_HORIZON = "TRIM_HORIZON"


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and those it came of."""

    shard_id: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartingPosition:
    """Where reading starts: TRIM_HORIZON, LATEST, or AT_TIMESTAMP with a time in seconds."""

    kind: str = TRIM_HORIZON
    timestamp: float | None = None


class Stream:
    """One stream over its public API.

    Args:
        client: A `kinesis` or a `dynamodbstreams` client, whichever *source* is.
        source: The stream.
    """

    def __init__(self, client: Any, source: Source) -> None:
        self._client = client
        self._source = source
        # A mapping may name a consumer (enhanced fan-out); what it reads is the stream.
        arn = source.stream_arn.split("/consumer/")[0]
        self._argument = {"StreamARN" if source.is_kinesis else "StreamArn": arn}

    def shards(self) -> tuple[Shard, ...]:
        """Every shard that still holds or may get records."""
        if self._source.is_kinesis:
            pages = self._client.get_paginator("list_shards").paginate(**self._argument)
            listed = [shard for page in pages for shard in page["Shards"]]
        else:
            listed = []
            following: dict[str, str] = {}
            while True:
                page = self._client.describe_stream(**self._argument, **following)["StreamDescription"]
                listed += page["Shards"]
                if "LastEvaluatedShardId" not in page:
                    break
                following = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
        return tuple(
            Shard(
                shard["ShardId"],
                tuple(shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard),
            )
            for shard in listed
        )

    def retention(self) -> float:
        """Seconds for which a record stays in the stream."""
        if not self._source.is_kinesis:
            return DAY
        summary = self._client.describe_stream_summary(**self._argument)["StreamDescriptionSummary"]
        return float(summary["RetentionPeriodHours"]) * 3600

    def reader(self, shard_id: str, position: StartingPosition) -> "ShardReader":
        """A reader of one shard from *position* on."""
        return ShardReader(self._client, self._source, self._argument, shard_id, position)


class ShardReader:
    """Reads a shard forward and knows its way back after iterators expired or the service restarted."""

    def __init__(
        self, client: Any, source: Source, argument: dict[str, str], shard_id: str, position: StartingPosition
    ) -> None:
        self._client = client
        self._source = source
        self._argument = argument
        self._shard_id = shard_id
        self._position = position
        self._iterator: tuple[str | None, str] | None = None

    def read(self, after: str | None, limit: int, now: float) -> tuple[tuple[Record, ...], bool]:
        """At most *limit* records after the sequence number *after*, and whether the shard ends with them.

        Raises:
            ClientError: The service refused, also because an iterator expired; the next read makes a new one.
        """
        try:
            return self._read(after, limit, now)
        except ClientError as error:
            self._iterator = None
            if error.response["Error"]["Code"] != "TrimmedDataAccessException":
                raise
            # What stood there is gone from the stream; the oldest record left is the next one.
            self._iterator = (after, self._new_iterator({"ShardIteratorType": TRIM_HORIZON}))
            return self._read(after, limit, now)

    def _read(self, after: str | None, limit: int, now: float) -> tuple[tuple[Record, ...], bool]:
        if self._iterator is None or self._iterator[0] != after:
            self._iterator = (after, self._new_iterator(self._place(after, now)))
        # GetRecords gives at most 10,000 (Kinesis) or 1,000 (DynamoDB) records.
        most = 10_000 if self._source.is_kinesis else 1_000
        answer = self._client.get_records(ShardIterator=self._iterator[1], Limit=min(limit, most))
        if self._source.is_kinesis:
            records = tuple(kinesis_record(record, self._shard_id, self._source) for record in answer["Records"])
        else:
            records = tuple(dynamodb_record(record, self._source) for record in answer["Records"])
        iterator = answer.get("NextShardIterator")
        self._iterator = (records[-1].sequence if records else after, iterator) if iterator else None
        return records, not iterator

    def _place(self, after: str | None, now: float) -> dict[str, Any]:
        if after is not None:
            name = "StartingSequenceNumber" if self._source.is_kinesis else "SequenceNumber"
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", name: after}
        position = self._position
        if position.kind == "LATEST" and self._source.is_kinesis:
            # Should the iterator be lost before the first record, "latest" still means the time reading began.
            self._position = StartingPosition("AT_TIMESTAMP", now)
        if position.timestamp is not None:
            return {"ShardIteratorType": position.kind, "Timestamp": datetime.fromtimestamp(position.timestamp, UTC)}
        return {"ShardIteratorType": position.kind}

    def _new_iterator(self, place: dict[str, Any]) -> str:
        answer = self._client.get_shard_iterator(ShardId=self._shard_id, **self._argument, **place)
        return str(answer["ShardIterator"])
