"""Reading the stream of one replica: every change, from the oldest on, once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED
from constructs_lib.local.event_source_mapping.records import Source
from constructs_lib.local.event_source_mapping.stream import Stream
from constructs_lib.local.replication.machine import Item, Key

_SHARDS_EVERY = 5.0
_LOST_PLACES = ("ExpiredIteratorException", "TrimmedDataAccessException")
# The emulator's sequence numbers: milliseconds in 20 digits, a counter in 10.
_MILLISECOND_DIGITS, _SEQUENCE_DIGITS = 20, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One record: what the item with *key* became (None: deleted) at second *time*."""

    key: Key
    image: Item | None
    time: float


@dataclass(slots=True)
class _Place:
    """How far a shard was read."""

    after: str | None = None
    iterator: str | None = None
    finished: bool = False


class ReplicaStream:
    """The stream with *stream_arn*, over a `dynamodbstreams` *client*."""

    def __init__(self, client: Any, stream_arn: str, region: str) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._stream = Stream(client, Source(stream_arn=stream_arn, region=region, role_arn=""))
        self._places: dict[str, _Place] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._next_look = 0.0

    def read(self) -> list[Observed]:
        """What came since the last read, in order per item; at most a page of each shard.

        Raises:
            ClientError: If the stream refuses; nothing is skipped, the next read tries again.
            BotoCoreError: If it does not answer; likewise.
        """
        if time.monotonic() >= self._next_look:
            for shard in self._stream.shards():
                self._parents[shard.shard_id] = shard.parents
                self._places.setdefault(shard.shard_id, _Place())
            self._next_look = time.monotonic() + _SHARDS_EVERY
        records: list[Observed] = []
        for shard_id, place in self._places.items():
            parents = (self._places[one] for one in self._parents[shard_id] if one in self._places)
            if place.finished or not all(parent.finished for parent in parents):
                continue
            try:
                records += self._read_shard(shard_id, place)
            except CALL_FAILED:
                # What other shards gave is passed on first; the next read meets the failure again.
                if not records:
                    raise
        return records

    def _read_shard(self, shard_id: str, place: _Place) -> list[Observed]:
        if place.iterator is None:
            place.iterator = self._iterator(shard_id, place.after)
        try:
            answer = self._client.get_records(ShardIterator=place.iterator)
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_PLACES:
                place.iterator = None
            raise
        place.iterator = answer.get("NextShardIterator")
        place.finished = place.iterator is None
        if answer["Records"]:
            place.after = answer["Records"][-1]["dynamodb"]["SequenceNumber"]
        return [_observed(record["dynamodb"]) for record in answer["Records"]]

    def _iterator(self, shard_id: str, after: str | None) -> str:
        place: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if after is not None:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        try:
            answer = self._client.get_shard_iterator(StreamArn=self._stream_arn, ShardId=shard_id, **place)
        except ClientError as error:
            if after is None or error.response["Error"]["Code"] not in _LOST_PLACES:
                raise
            # What stood there has left the stream, so everything that is in it came later.
            return self._iterator(shard_id, None)
        return str(answer["ShardIterator"])


def key_of(attributes: Mapping[str, Mapping[str, Any]]) -> Key:
    """The key in *attributes* in a form that can be compared and looked up."""
    return tuple((name, kind, value) for name in sorted(attributes) for kind, value in attributes[name].items())


def attributes_of(key: Key) -> dict[str, dict[str, Any]]:
    """The attributes of *key* as the API has them."""
    return {name: {kind: value} for name, kind, value in key}


def _observed(record: Mapping[str, Any]) -> Observed:
    seconds = record["ApproximateCreationDateTime"].timestamp()
    sequence = record["SequenceNumber"]
    if len(sequence) == _SEQUENCE_DIGITS:
        exact = int(sequence[:_MILLISECOND_DIGITS]) / 1000
        # The time proper is given in whole seconds, too coarse to tell who wrote last.
        seconds = exact if seconds <= exact < seconds + 2 else seconds
    return Observed(key=key_of(record["Keys"]), image=record.get("NewImage"), time=seconds)
