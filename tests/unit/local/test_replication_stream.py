"""Reading a replica's stream: everything once, in order, whatever happens to shards and iterators."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from constructs_lib.local.replication import stream as replication_stream
from constructs_lib.local.replication.stream import ReplicaStream, attributes_of, key_of


class Shards:
    """A `dynamodbstreams` client: shards with their parents and records; iterators are shard and number."""

    def __init__(self, parents: dict[str, str | None]) -> None:
        self.parents = parents
        self.records: dict[str, list[str]] = {shard: [] for shard in parents}
        self.trimmed: dict[str, int] = {}
        self.closed: set[str] = set()
        self.errors: dict[str, list[str]] = {}
        self.iterators = 0
        self.extra: dict[str, Any] = {}

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        shards = [
            {"ShardId": shard} | ({"ParentShardId": parent} if parent else {}) for shard, parent in self.parents.items()
        ]
        return {"StreamDescription": {"Shards": shards}}

    def get_shard_iterator(self, *, ShardId: str, SequenceNumber: str | None = None, **_: Any) -> dict[str, str]:  # noqa: N803
        self.iterators += 1
        number = self.trimmed.get(ShardId, 0)
        if SequenceNumber is not None:
            if SequenceNumber not in self.records[ShardId][number:]:
                raise refusal("TrimmedDataAccessException")
            number = self.records[ShardId].index(SequenceNumber) + 1
        return {"ShardIterator": f"{ShardId}/{number}"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        shard, number = ShardIterator.split("/")
        if self.errors.get(shard):
            raise refusal(self.errors[shard].pop())
        found = self.records[shard][int(number) :]
        answer: dict[str, Any] = {"Records": [{"dynamodb": record(one), **self.extra} for one in found]}
        return answer if shard in self.closed else answer | {"NextShardIterator": f"{shard}/{int(number) + len(found)}"}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "GetRecords")


def record(sequence: str, seconds: float = 1000.0) -> dict[str, Any]:
    return {
        "Keys": {"id": {"S": sequence}},
        "SequenceNumber": sequence,
        "ApproximateCreationDateTime": datetime.fromtimestamp(seconds, UTC),
    }


def read(stream: ReplicaStream) -> list[str]:
    return [str(one.key[0][2]) for one in stream.read()]


def test_everything_is_read_once_from_the_oldest_on() -> None:
    """What was there before and what comes, with one iterator."""
    client = Shards({"a": None})
    client.records["a"] = ["1", "2"]
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert read(stream) == ["1", "2"]
    client.records["a"].append("3")
    assert (read(stream), read(stream), client.iterators) == (["3"], [], 1)


def test_a_child_shard_is_read_after_its_parent() -> None:
    """So that changes of an item keep their order; and a parent that is gone holds nothing up."""
    client = Shards({"child": "parent", "parent": "gone"})
    client.records = {"child": ["2"], "parent": ["1"]}
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert (read(stream), read(stream)) == (["1"], [])
    client.closed.add("parent")
    assert (read(stream), read(stream)) == ([], ["2"])


def test_new_shards_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs."""
    monkeypatch.setattr(replication_stream, "_SHARDS_EVERY", 0.0)
    client = Shards({"a": None})
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert read(stream) == []
    client.parents["b"], client.records["b"] = None, ["1"]
    assert read(stream) == ["1"]


def test_an_expired_iterator_is_renewed_where_reading_was() -> None:
    """Nothing twice, nothing left out."""
    client = Shards({"a": None})
    client.records["a"] = ["1"]
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert read(stream) == ["1"]
    client.records["a"].append("2")
    client.errors["a"] = ["ExpiredIteratorException"]
    with pytest.raises(ClientError):
        stream.read()
    assert read(stream) == ["2"]


def test_what_left_the_stream_is_passed_over() -> None:
    """After a day, or when the region came back without its past."""
    client = Shards({"a": None})
    client.records["a"] = ["1"]
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert read(stream) == ["1"]
    client.records["a"] += ["2", "3"]
    client.trimmed["a"] = 2
    client.errors["a"] = ["TrimmedDataAccessException"]
    with pytest.raises(ClientError):
        stream.read()
    assert read(stream) == ["3"]


def test_the_records_of_one_shard_survive_the_failure_of_another() -> None:
    """They were read, and will not be given a second time."""
    client = Shards({"a": None, "b": None})
    client.records = {"a": ["1"], "b": ["2"]}
    client.errors["b"] = ["InternalServerError"]
    stream = ReplicaStream(client, "arn", "us-east-1")
    assert (read(stream), read(stream)) == (["1"], ["2"])


@pytest.mark.parametrize(
    ("sequence", "time"),
    [
        ("00000000000001000250" + "0000000007", 1000.25),
        ("00000000000009000250" + "0000000007", 1000.0),
        ("111000000000021345678", 1000.0),
    ],
    ids=["milliseconds of the emulator", "digits that are no time", "a number as on AWS"],
)
def test_a_write_has_the_most_exact_time_there_is(sequence: str, time: float) -> None:
    """The record's own is in whole seconds; where the sequence number says more, that counts."""
    client = Shards({"a": None})
    client.records["a"] = [sequence]
    (observed,) = ReplicaStream(client, "arn", "us-east-1").read()
    assert observed.time == time


def test_an_expiry_is_a_deletion() -> None:
    """Its record names the service that did it; for the other regions that makes no difference."""
    client = Shards({"a": None})
    client.records["a"] = ["1"]
    client.extra = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    (observed,) = ReplicaStream(client, "arn", "us-east-1").read()
    assert observed.image is None


def test_keys_are_the_same_whatever_their_order() -> None:
    """And can be turned back; binary ones too."""
    attributes: dict[str, dict[str, Any]] = {"part": {"B": b"\xff"}, "id": {"N": "1"}}
    assert key_of(attributes) == key_of(dict(reversed(attributes.items())))
    assert attributes_of(key_of(attributes)) == attributes
