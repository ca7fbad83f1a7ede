"""A quarantine in memory, filled by those who fill one: our runtime and the local cloud's mapping."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from constructs_lib.local.event_source_mapping.destination import Discarded
from constructs_lib.local.event_source_mapping.messages import Condition, Discard
from constructs_lib.local.event_source_mapping.messages import Record as StreamRecord
from constructs_lib.local.event_source_mapping.records import Source, kinesis_record
from constructs_lib.operations.quarantine.bucket import Listed, OvertakenError, Stored
from constructs_lib.operations.quarantine.desk import Desk, Pace, Plan
from constructs_lib.operations.quarantine.search import Filter
from constructs_lib.operations.quarantine.sender import Outgoing, Refused, Taken
from constructs_lib.runtime.envelope import Envelope, InvalidEnvelopeError
from constructs_lib.runtime.quarantine import Case, Kind, S3Quarantine
from constructs_lib.runtime.records import stream_arrivals

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/slack"
SHARD = "shardId-000000000000"
NOON = datetime(2024, 11, 21, 12, tzinfo=UTC)
ADA = "arn:aws:sts::123456789012:assumed-role/operator/ada"
SOURCE = Source(stream_arn=STREAM, region="eu-west-1", role_arn="arn:aws:iam::123456789012:role/consumer")


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Clock:
    """A clock that only its users move."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return (self.time - NOON).total_seconds()

    def pause(self, seconds: float) -> None:
        self.time += timedelta(seconds=max(0.0, seconds))


Mode = Literal["killed before", "killed after", "failed"]


class Calls:
    """Counts what is asked of the outside, and lets one of the calls go wrong.

    The process is killed before or after that call's effect, or the call alone fails, without an effect.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.wrong(None)

    def wrong(self, at: int | None, mode: Mode = "failed") -> None:
        """Count from zero, and let the call of that number go wrong; None: none."""
        self.number, self._at, self._mode, self._dead = 0, at, mode, False

    def made(self, effect: Callable[[], Any]) -> Any:
        """Make a call."""
        with self._lock:
            wrong = self.number == self._at
            self.number += 1
            if wrong and self._mode == "failed":
                raise ConnectionError("no route to host")
            if self._dead or (wrong and self._mode == "killed before"):
                self._dead = True
                raise Crash
            result = effect()
            if wrong:
                self._dead = True
                raise Crash
            return result


@dataclass
class MemoryBucket:
    """A bucket that counts its calls."""

    calls: Calls = field(default_factory=Calls)
    clock: Clock = field(default_factory=Clock)
    objects: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, datetime] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def listed(self, prefix: str) -> Iterator[Listed]:
        found = [Listed(key, self.written[key]) for key in sorted(self.objects) if key.startswith(prefix)]
        yield from self.calls.made(lambda: found)

    def read(self, key: str) -> Stored | None:
        self.reads.append(key)
        content = self.objects.get(key)
        stored = None if content is None else Stored(content, _version(content))
        return cast("Stored | None", self.calls.made(lambda: stored))

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        self.calls.made(lambda: self.keep(key, json.dumps(content).encode()))

    def replace(self, key: str, content: Mapping[str, Any], *, version: str | None) -> str:
        there = _version(self.objects[key]) if key in self.objects else None
        if there != version:
            raise OvertakenError
        self.write(key, content)
        return _version(self.objects[key])

    def keep(self, key: str, content: bytes) -> None:
        self.objects[key] = content
        self.written[key] = self.clock()

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803 - as boto3 names them
        """What the runtime asks of an S3 client."""
        self.keep(Key, Body)


@dataclass
class MemoryStream:
    """A stream that takes what *accepts* says, in the order of a call's records or, as Kinesis may, in another."""

    calls: Calls = field(default_factory=Calls)
    accepts: Callable[[Outgoing], bool] = lambda _: True
    rounds: list[list[Outgoing]] = field(default_factory=list)
    taken: list[Outgoing] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def put(self, stream: str, records: Sequence[Outgoing]) -> Sequence[Taken | Refused]:
        def effect() -> list[Taken | Refused]:
            self.names.append(stream)
            self.rounds.append(list(records))
            answers: list[Taken | Refused] = []
            came: list[Outgoing] = []
            for record in records:
                if self.accepts(record):
                    came.append(record)
                    answers.append(Taken(SHARD, str(len(self.taken) + len(came))))
                else:
                    answers.append(Refused("ProvisionedThroughputExceededException: slow down"))
            self.taken += reversed(came)
            return answers

        return cast("Sequence[Taken | Refused]", self.calls.made(effect))


@dataclass
class World:
    """A quarantine bucket, its stream, and a desk to work at."""

    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.calls = Calls()
        self.clock = Clock()
        self.bucket = MemoryBucket(self.calls, self.clock)
        self.stream = MemoryStream(self.calls)
        self.made: list[StreamRecord] = []

    def desk(self, by: str = ADA) -> Desk:
        return Desk(self.bucket, by=by, progress=self.said.append, clock=self.clock)

    def redrive(self, wanted: Filter | None = None, *, rate: float = 10.0, **options: Any) -> tuple[int, Plan]:
        pace = Pace(pause=self.clock.pause, clock=self.clock.seconds, rate=rate)
        return self.desk().redrive(wanted or Filter(), self.stream.put, pace, **options)

    def record(self, key: str, data: bytes | None = None, *, tenant: str = "acme") -> StreamRecord:
        """The next record that arrives on the stream."""
        number = len(self.made) + 1
        envelope = Envelope(
            id=f"m-{number}",
            key=key,
            tenant=tenant,
            correlation_id="c",
            created="2026-11-21T03:04:05Z",
            body={"n": number},
        )
        record = kinesis_record(
            {
                "SequenceNumber": f"{number:056d}",
                "PartitionKey": key,
                "Data": envelope.to_json().encode() if data is None else data,
                "ApproximateArrivalTimestamp": NOON - timedelta(days=2) + timedelta(seconds=number),
            },
            SHARD,
            SOURCE,
        )
        self.made.append(record)
        return record

    def by_runtime(self, record: StreamRecord, *, kind: Kind = "permanent", reason: str = "no such channel") -> str:
        """Let the runtime quarantine *record*; returns the object's key."""
        [arrival] = stream_arrivals({"Records": [record.event]})
        try:
            read = arrival.read()
        except InvalidEnvelopeError:
            read = None
        before = set(self.bucket.objects)
        S3Quarantine(client=cast("Any", self.bucket), bucket="quarantine", dependency="Slack", now=self.clock).keep(
            Case(arrival=arrival, record=read, kind=kind, reason=reason, attempts=3, function="notify-slack")
        )
        return (set(self.bucket.objects) - before or {""}).pop()

    def by_lambda(self, records: Sequence[StreamRecord], condition: Condition = Condition.RECORD_AGE_EXCEEDED) -> str:
        """Let a mapping discard a batch; returns the object's key."""
        discarded = Discarded(
            discard=Discard(1, tuple(records), condition, 7, None, to_destination=True),
            source=SOURCE,
            mapping_id="11111111-2222-3333-4444-555555555555",
            function_arn="arn:aws:lambda:eu-west-1:123456789012:function:notify-slack:live",
            shard_id=SHARD,
            now=self.clock().timestamp(),
            request_id="request-1",
        )
        key = discarded.object_key(f"suffix-{records[0].sequence[-6:]}")
        self.bucket.keep(key, json.dumps(discarded.with_payload()).encode())
        return key


def data_of(record: StreamRecord) -> bytes:
    """What was put on the stream."""
    return base64.b64decode(record.event["kinesis"]["data"])


def position_of(record: StreamRecord) -> str:
    """The id of the item that holds *record*."""
    return f"{SHARD}-{record.sequence}"


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
