"""Where an operator stands who works on one quarantine bucket."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from constructs_lib.operations.quarantine.bucket import Bucket
from constructs_lib.operations.quarantine.items import MALFORMED, Item, Kept
from constructs_lib.operations.quarantine.lease import Lease
from constructs_lib.operations.quarantine.ledger import Ledger, now
from constructs_lib.operations.quarantine.redrive import DEFAULT_RATE, Redrive, in_order
from constructs_lib.operations.quarantine.search import Filter, Found, Payloads, Progress, search
from constructs_lib.operations.quarantine.sender import Put, Taken, is_kinesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a redrive would do.

    Attributes:
        streams: ARN of a stream -> what goes there, in order.
        impossible: What cannot be sent -> why.
    """

    streams: dict[str, tuple[Item, ...]]
    impossible: dict[str, str]

    @property
    def number(self) -> int:
        """How many items would be sent."""
        return sum(len(items) for items in self.streams.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast items are sent, and how that is waited for.

    Attributes:
        pause: Waits for so many seconds, or until `stopped`.
        clock: Seconds of any one clock that does not jump.
        rate: Most records a second.
        stopped: Whether to end after what is under way. Default: never.
    """

    pause: Callable[[float], None]
    clock: Callable[[], float]
    rate: float = DEFAULT_RATE
    stopped: Callable[[], bool] = lambda: False


class Desk:
    """What can be done with what is in a quarantine bucket.

    Args:
        bucket: The bucket.
        by: Who does it: ARN of an identity.
        progress: Called with a short line now and then. Default: nobody is told.
        clock: Default: the system's.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        by: str,
        progress: Progress = lambda _: None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._bucket = bucket
        self._by = by
        self._progress = progress
        self._clock = clock
        self._ledger = Ledger(bucket=bucket, by=by, clock=clock)

    def items(self, wanted: Filter, *, settled: bool = False) -> tuple[Item, ...]:
        """Return the items that are *wanted*: open ones, or those that are *settled*."""
        return self._search(wanted, settled=settled).items

    def show(self, id: str) -> dict[str, Any]:
        """Return everything there is to know about an item, open or settled: its fields, payload, and who settled it.

        Raises:
            OperationError: If there is no such item, or more than one.
        """
        marks = self._ledger.marks()
        wanted = Filter(ids=(id,))
        found = search(self._bucket, wanted, marks).items or search(self._bucket, wanted, marks, settled=True).items
        [item] = found
        (kept,) = Payloads(self._bucket).of([item])
        return {**as_json(item), "payload": self._payload(kept), "settled": self._ledger.mark(item)}

    def plan(self, wanted: Filter, *, stream: str | None = None, again: bool = False) -> Plan:
        """Return what a redrive of what is *wanted* would do.

        Args:
            wanted: What to send.
            stream: ARN of the stream to send it to. Default: for each record, the stream it comes from.
            again: Whether to send what is settled, instead of what is open.
        """
        return _plan(self._search(wanted, settled=again).items, stream)

    def redrive(
        self, wanted: Filter, put: Put, pace: Pace, *, stream: str | None = None, again: bool = False
    ) -> tuple[int, Plan]:
        """Send what is *wanted* again; return how many were sent, and what was planned.

        Args:
            wanted: What to send.
            put: Puts records on a stream.
            pace: How fast.
            stream: ARN of the stream to send it to. Default: for each record, the stream it comes from.
            again: Whether to send what is settled, instead of what is open.

        Raises:
            OperationError: If somebody else is at work on this bucket, or a stream does not take what is sent.
        """
        sent = 0
        with Lease(self._bucket, by=self._by, clock=self._clock) as lease:
            found = self._search(wanted, settled=again)
            plan = _plan(found.items, stream)

            def on_round(sent_there: int) -> None:
                lease.renew()
                self._progress(f"{sent + sent_there:,} of {plan.number:,} sent")

            redrive = Redrive(
                payloads=Payloads(self._bucket).of,
                put=put,
                settle=self._settle,
                pause=pace.pause,
                clock=pace.clock,
                rate=pace.rate,
                stopped=pace.stopped,
                on_round=on_round,
            )
            for arn, items in plan.streams.items():
                sent += redrive.run(arn, items)
            self._close(found)
        return sent, plan

    def discard(self, wanted: Filter, *, reason: str) -> tuple[Item, ...]:
        """Note of what is *wanted* that nobody needs it any more, and return it. The objects stay where they are.

        Raises:
            OperationError: If somebody else is at work on this bucket.
        """
        with Lease(self._bucket, by=self._by, clock=self._clock) as lease:
            found = self._search(wanted)
            for number, item in enumerate(found.items, 1):
                lease.renew()
                self._ledger.discarded(item, reason=reason)
                if number % 500 == 0:
                    self._progress(f"{number:,} of {len(found.items):,} discarded")
            self._close(found)
        return found.items

    def _search(self, wanted: Filter, *, settled: bool = False) -> Found:
        return search(self._bucket, wanted, self._ledger.marks(), settled=settled, progress=self._progress)

    def _settle(self, item: Item, stream: str, taken: Taken) -> None:
        self._ledger.redriven(item, stream=stream, shard=taken.shard, position=taken.position)

    def _payload(self, kept: Kept) -> Any:
        """As JSON, or as text where it is none; of a malformed object, the object."""
        if kept.payload is None:
            stored = self._bucket.read(kept.item.object_key)
            return stored.content.decode(errors="replace") if stored else None
        try:
            return json.loads(kept.data())
        except ValueError:
            return kept.payload

    def _close(self, found: Found) -> None:
        """Spare later commands the reading of batches that hold nothing open any more."""
        marks = self._ledger.marks() if found.batches else frozenset()
        for key, needed in found.batches.items():
            if needed <= marks:
                self._ledger.close(key)


def as_json(item: Item) -> dict[str, Any]:
    """Return *item* as a JSON object."""
    fields = asdict(item)
    del fields["mark"]
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}


def _plan(items: Sequence[Item], stream: str | None) -> Plan:
    impossible = {item.id: why for item in items if (why := _obstacle(item))}
    streams: dict[str, list[Item]] = {}
    for item in in_order([item for item in items if item.id not in impossible]):
        streams.setdefault(stream or item.source or "", []).append(item)
    return Plan(streams={arn: tuple(there) for arn, there in streams.items()}, impossible=impossible)


def _obstacle(item: Item) -> str | None:
    """Why *item* cannot be sent again; None where it can."""
    if item.kind == MALFORMED:
        return item.reason
    if item.source is None or not is_kinesis(item.source):
        return f"it comes from {item.source}, and nothing but a change of its table puts a record on that stream"
    return None
