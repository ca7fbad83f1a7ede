"""Messages that follow from records: sent together, confirmed one by one.

A record is done only when each of its messages is confirmed. It is then acknowledged by the consumer, and not before;
so whatever happens between a write and its messages, the record comes again and they are sent again.

Neither service keeps the order of messages of which some fail and are sent again: receivers that need an order tell it
from the messages.

Source: Kinesis API reference, `PutRecords`; SQS API reference, `SendMessageBatch`.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from constructs_lib.runtime.chunks import chunks
from constructs_lib.runtime.descriptions import clean, describe
from constructs_lib.runtime.effects import Send
from constructs_lib.runtime.outcomes import Done, Held, Outcome, Refused, Work
from constructs_lib.runtime.patience import Patience
from constructs_lib.runtime.side_by_side import SideBySide

if TYPE_CHECKING:
    from mypy_boto3_kinesis.client import KinesisClient
    from mypy_boto3_sqs.client import SQSClient

MOST_RECORDS = 500
MOST_MESSAGES = 10
# PutRecords takes 10 MiB since 2025; 5 MiB is what every Region took before.
_MOST_STREAM_BYTES = 5 * 1024 * 1024
_MOST_QUEUE_BYTES = 1024 * 1024

# A message that is refused with one of these is at fault itself, or spoils the call it is in.
_INVALID = frozenset(
    {
        "BatchRequestTooLong",
        "InvalidArgumentException",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingParameter",
        "ValidationException",
    }
)


# Nothing was sent, and the same may succeed soon.
_PASSING = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "KMSThrottlingException",
        "KmsThrottled",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """One message of one record."""

    position: str
    send: Send

    @property
    def size(self) -> int:
        return len(self.send.payload.encode()) + len(self.send.group.encode())


@dataclass(frozen=True, slots=True)
class _Unconfirmed:
    reason: str
    passes: bool = False
    invalid: bool = False


_Result = _Unconfirmed | None
_Call = Callable[[str, Sequence[Send]], list[_Result]]


class Sender:
    """Sends what follows from records. For one caller at a time.

    Args:
        sqs: Makes a client of SQS, when the first message needs it.
        kinesis: Makes a client of Kinesis, when the first message needs it.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        sqs: Callable[[], "SQSClient"],
        kinesis: Callable[[], "KinesisClient"],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sqs = cache(sqs)
        self._kinesis = cache(kinesis)
        self._sleep = sleep
        self._threads = SideBySide()

    def confirm(
        self, outcomes: Mapping[str, Outcome], sends: Mapping[str, Sequence[Send]], work: Work
    ) -> dict[str, Outcome]:
        """Send the messages of all records that are done, and say which records are done with their messages.

        What is throttled is tried again for up to two seconds and as the deadline allows. Only the records of messages
        that are not confirmed then are concerned.

        Args:
            outcomes: Of the records, by position.
            sends: What follows from them, by position.
            work: Of this batch.

        Returns:
            All outcomes: a record is held if one of its messages is not confirmed, refused if one can never be sent.
        """
        parcels = [
            _Parcel(position, send)
            for position, follow in sends.items()
            if isinstance(outcomes[position], Done)
            for send in follow
        ]
        unconfirmed = self._send_all(parcels, work)
        if unconfirmed:
            work.watch.count("SendsFailed", len(unconfirmed))
        changed: dict[str, Outcome] = {}
        # What can never be sent decides.
        for parcel, result in sorted(unconfirmed, key=lambda one: one[1].invalid):
            what = f"a message to the {parcel.send.kind} {parcel.send.to.rpartition('/')[2]}"
            if result.invalid:
                changed[parcel.position] = Refused(f"{what} cannot be sent: {result.reason}")
            else:
                changed[parcel.position] = Held(f"{what} is not confirmed: {result.reason}")
        return {**outcomes, **changed}

    def _send_all(self, parcels: Sequence[_Parcel], work: Work) -> list[tuple[_Parcel, _Unconfirmed]]:
        given_up: list[tuple[_Parcel, _Unconfirmed]] = []
        patience = Patience(work.deadline, self._sleep)
        left = list(parcels)
        made = 0
        # Made here, not by the threads, each of which would make its own.
        for kind in {parcel.send.kind for parcel in parcels}:
            _ = self._sqs() if kind == "queue" else self._kinesis()
        send_lane = partial(self._send_lane, unreachable={})
        while left:
            unconfirmed = [
                (parcel, result)
                for lane in self._threads.map(send_lane, list(_lanes(left)))
                for parcel, result in lane
                if result is not None
            ]
            made += 1
            again = any(result.passes for _, result in unconfirmed) and patience.allows(made)
            given_up += [one for one in unconfirmed if not (again and one[1].passes)]
            left = [parcel for parcel, result in unconfirmed if again and result.passes]
        return given_up

    def _send_lane(
        self, lane: Sequence[Sequence[_Parcel]], unreachable: dict[str, _Unconfirmed]
    ) -> list[tuple[_Parcel, _Result]]:
        results: list[tuple[_Parcel, _Result]] = []
        for chunk in lane:
            first = chunk[0].send
            call = self._to_queue if first.kind == "queue" else self._to_stream
            tried: list[_Result]
            if first.to in unreachable:
                tried = [unreachable[first.to]] * len(chunk)
            else:
                tried = _tried(call, first.to, [parcel.send for parcel in chunk], unreachable)
            results += zip(chunk, tried, strict=True)
        return results

    def _to_queue(self, url: str, sends: Sequence[Send]) -> list[_Result]:
        entries: Any = [_entry(str(index), send) for index, send in enumerate(sends)]
        answer = self._sqs().send_message_batch(QueueUrl=url, Entries=entries)
        results: dict[str, _Result] = {entry["Id"]: None for entry in answer.get("Successful", ())}
        for failed in answer.get("Failed", ()):
            code, reason = failed["Code"], clean(f"{failed['Code']}: {failed.get('Message', '')}")
            passes = code in _PASSING or not failed["SenderFault"]
            results[failed["Id"]] = _Unconfirmed(reason, passes=passes, invalid=code in _INVALID)
        return [results.get(str(index), _Unconfirmed("the queue did not say")) for index in range(len(sends))]

    def _to_stream(self, name: str, sends: Sequence[Send]) -> list[_Result]:
        records: Any = [{"Data": send.payload.encode(), "PartitionKey": send.group} for send in sends]
        answer = self._kinesis().put_records(StreamName=name, Records=records)
        return [
            _Unconfirmed(clean(f"{record['ErrorCode']}: {record.get('ErrorMessage', '')}"), passes=True)
            if record.get("ErrorCode")
            else None
            for record in answer["Records"]
        ]


def _tried(call: _Call, to: str, sends: Sequence[Send], unreachable: dict[str, _Unconfirmed]) -> list[_Result]:
    try:
        return call(to, sends)
    except ClientError as error:
        code = error.response["Error"]["Code"].rpartition(".")[2]
        refusal = _Unconfirmed(describe(error), passes=code in _PASSING, invalid=code in _INVALID)
    except ParamValidationError as error:
        refusal = _Unconfirmed(describe(error), invalid=True)
    except BotoCoreError as error:
        # The client has tried twice; whether it was sent is not known. Waiting for each chunk of a large batch would
        # outlast the invocation.
        refusal = unreachable[to] = _Unconfirmed(describe(error))
    if refusal.invalid and len(sends) > 1:
        middle = len(sends) // 2
        return _tried(call, to, sends[:middle], unreachable) + _tried(call, to, sends[middle:], unreachable)
    return [refusal] * len(sends)


def _lanes(parcels: Iterable[_Parcel]) -> Iterator[list[list[_Parcel]]]:
    """Yield chunks that are to be sent one after the other: calls to one stream or FIFO queue do not overtake."""
    destinations: defaultdict[tuple[str, str], list[_Parcel]] = defaultdict(list)
    for parcel in parcels:
        destinations[parcel.send.kind, parcel.send.to].append(parcel)
    for (kind, to), own in destinations.items():
        if kind == "stream":
            yield list(_chunks(own, MOST_RECORDS, _MOST_STREAM_BYTES))
        elif to.endswith(".fifo"):
            yield list(_chunks(own, MOST_MESSAGES, _MOST_QUEUE_BYTES))
        else:
            yield from ([chunk] for chunk in _chunks(own, MOST_MESSAGES, _MOST_QUEUE_BYTES))


def _chunks(parcels: Iterable[_Parcel], most: int, most_bytes: int) -> Iterator[list[_Parcel]]:
    return chunks(parcels, size=lambda parcel: parcel.size, most=most, most_bytes=most_bytes)


def _entry(name: str, send: Send) -> dict[str, str]:
    entry = {"Id": name, "MessageBody": send.payload, "MessageGroupId": send.group}
    return entry if send.deduplication_id is None else {**entry, "MessageDeduplicationId": send.deduplication_id}
