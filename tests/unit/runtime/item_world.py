"""A consumer whose handler returns what is to be written, its tables, and where its messages go."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.runtime.attribute_values import from_attributes
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.digests import record_digest
from constructs_lib.runtime.effects import Send
from constructs_lib.runtime.item_engine import ItemsEngine
from constructs_lib.runtime.outcomes import Delivery, Done, Outcome, Work
from constructs_lib.runtime.records import Arrival, Record
from constructs_lib.runtime.sends import Sender
from tests.standins.dynamodb import FakeDynamoDB, Faults, Moment
from tests.unit.runtime.events import QUEUE_ARN, envelope
from tests.unit.runtime.fakes import FakeContext, FakeTime, RecordingWatch

MARKS = "idempotency"
REMEMBERED_SECONDS = 3_600
NOW = 1_795_230_245.0

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/follow-ups"
STREAM = "slack"


class CrashError(BaseException):
    """The process is gone: nothing may catch it."""


def delivery(id: str = "m-1", /, *, deliveries: int = 1, position: str | None = None, **body: Any) -> Delivery:
    """A message with this id and body; its position is its id, unless told."""
    record = Record(
        id=id,
        key=f"key-of-{id}",
        tenant="acme",
        body=body,
        position=position or id,
        correlation_id="c-1",
        created="2026-11-21T03:04:05Z",
    )
    arrival = Arrival(
        position=record.position,
        name=record.position,
        source=QUEUE_ARN,
        arrived=datetime.fromtimestamp(NOW, UTC),
        payload="{}",
        payload_encoding="utf-8",
        deliveries=deliveries,
        read=lambda: record,
    )
    return Delivery(record, arrival, record_digest(record))


def send(id: str, *, url: str = QUEUE) -> Send:
    return Send.queue(url, envelope(id))


def put(id: str) -> Send:
    return Send.stream(STREAM, envelope(id))


@dataclass
class FakeDestinations:
    """A client of SQS and Kinesis: keeps what is sent. Refuses messages by `refuse`, and whole calls by `fail`."""

    refuse: Callable[[str, str], str | None] = lambda to, payload: None
    fail: Callable[[str, Sequence[str]], None] = lambda to, payloads: None
    crash: Callable[[bool], None] = lambda after: None
    sender_fault: bool = False
    sent: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry, code in self._take(QueueUrl, [(entry["Id"], entry["MessageBody"]) for entry in Entries]):
            if code:
                answer["Failed"].append({"Id": entry, "SenderFault": self.sender_fault, "Code": code, "Message": "no"})
            else:
                answer["Successful"].append({"Id": entry, "MessageId": "m", "MD5OfMessageBody": "x"})
        self.crash(True)
        return answer

    def put_records(self, *, StreamName: str, Records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        taken = self._take(StreamName, [("", record["Data"].decode()) for record in Records])
        records = [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"SequenceNumber": "1"} for _, code in taken]
        self.crash(True)
        return {"Records": records, "FailedRecordCount": sum(1 for _, code in taken if code)}

    def _take(self, to: str, messages: Sequence[tuple[str, str]]) -> list[tuple[str, str | None]]:
        self.crash(False)
        self.calls.append((to, len(messages)))
        self.fail(to, [payload for _, payload in messages])
        codes = [(name, payload, self.refuse(to, payload)) for name, payload in messages]
        self.sent += [(to, payload) for _, payload, code in codes if not code]
        return [(name, code) for name, _, code in codes]


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Send")


@dataclass
class World:
    """Engines over one database, as many as there are workers."""

    database: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    destinations: FakeDestinations = field(default_factory=FakeDestinations)
    time: FakeTime = field(default_factory=lambda: FakeTime(NOW))
    watch: RecordingWatch = field(default_factory=RecordingWatch)

    def settle(
        self,
        handler: Callable[[Record], object],
        deliveries: Iterable[Delivery],
        *,
        faults: Faults | None = None,
        strong: bool = False,
        claims_table: str | None = MARKS,
        skew: float = 0.0,
        timeout_seconds: float = 30.0,
    ) -> dict[str, Outcome]:
        """Have a new environment of the consumer settle a batch; its clock is *skew* seconds ahead."""
        engine = ItemsEngine(
            client=self.database.client(faults or Faults()),
            sender=Sender(sqs=self._sends, kinesis=self._sends, sleep=self.time.sleep),
            claims_table=claims_table,
            scope="message",
            strong=strong,
            remember_seconds=REMEMBERED_SECONDS,
            sleep=self.time.sleep,
        )
        context = FakeContext(self.time, timeout_seconds)
        work = Work(
            handler=handler,
            deadline=Deadline(context),
            context=context,
            watch=self.watch,
            now=lambda: self.time.seconds + skew,
        )
        return dict(engine.settle(list(deliveries), work))

    def late(self, table: str, old: Sequence[Mapping[str, Any]]) -> Faults:
        """Faults by which eventually consistent reads see a table as it was when it had the *old* items."""
        now: list[Mapping[str, Any]] = []

        def moment(moment: Moment) -> None:
            asked = moment.request.get("RequestItems", {}).get(table, {})
            if asked.get("ConsistentRead") is False:
                if not moment.after:
                    now[:] = self.database.items(table)
                self.database.create(table)
                for item in now if moment.after else old:
                    self.database.put(table, item)

        return Faults(crash=moment)

    def _sends(self) -> Any:
        return self.destinations

    def items(self, table: str) -> dict[str, dict[str, Any]]:
        """The items of a table by `id`, as plain values."""
        plain = [from_attributes(item) for item in self.database.items(table)]
        return {item["id"]: item for item in plain}

    @property
    def sent(self) -> Counter[str]:
        """How often each message was stored, by the id of its envelope."""
        return Counter(payload.partition('"id":"')[2].partition('"')[0] for _, payload in self.destinations.sent)

    @property
    def counts(self) -> Counter[str]:
        self.watch.flush()
        return self.watch.published


def left(deliveries: Iterable[Delivery], outcomes: Mapping[str, Outcome]) -> list[Delivery]:
    """Those that are delivered again."""
    return [one for one in deliveries if not isinstance(outcomes.get(one.arrival.position), Done)]
