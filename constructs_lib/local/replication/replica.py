"""One replica of a table: what its stream tells goes into the state machine, what arrives is written to it.

Nothing here reaches another region, so one that does not answer holds up nobody else.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED
from constructs_lib.local.replication.machine import Change, Item, Key, Replication
from constructs_lib.local.replication.stream import Observed, ReplicaStream
from constructs_lib.local.replication.writer import Refused, ReplicaWriter

_LOG = logging.getLogger(__name__)
# Writes before the stream is looked at again.
_WRITES_AT_ONCE = 50
_AGAIN_AFTER = 0.5


@dataclass(slots=True)
class _Echo:
    """A write of ours that the stream will show. *certain* unless it is not known whether it was done."""

    change: Change
    certain: bool = False


class Replica:
    """Follows one replica.

    Args:
        region: Where it is.
        table: Name of the table.
        replication: The table's state machine; *lock* is held while it is used.
        lock: Shared by all replicas of the table.
        prepare: Makes sure that the replica exists and returns the ARN of its stream.
        dynamodb: A `dynamodb` client of this region.
        streams: A `dynamodbstreams` client of this region.
        poll_interval: Seconds between looks at an idle stream.
    """

    def __init__(
        self,
        region: str,
        table: str,
        *,
        replication: Replication,
        lock: threading.Lock,
        prepare: Callable[[], str],
        dynamodb: Any,
        streams: Any,
        poll_interval: float,
    ) -> None:
        self.region = region
        self.ready = threading.Event()
        self.problem = ""
        self._name = f"replica {table} {region}"
        self._replication = replication
        self._lock = lock
        self._prepare = prepare
        self._streams = streams
        self._writer = ReplicaWriter(dynamodb, table)
        self._poll_interval = poll_interval
        self._stream: ReplicaStream | None = None
        self._echoes: defaultdict[Key, list[_Echo]] = defaultdict(list)
        self._refusal: tuple[Key, Item | None, Item | None] | None = None

    def run(self, ended: threading.Event) -> None:
        """Follow the replica until *ended*; failures are tried again for as long as they last."""
        while not ended.is_set():
            try:
                busy = self.step()
                self.problem = ""
            except CALL_FAILED as error:
                self.problem = f"{type(error).__name__}: {error}"
                _LOG.debug("%s: %s", self._name, error)
                ended.wait(_AGAIN_AFTER)
                continue
            if not busy:
                ended.wait(self._poll_interval)

    def step(self) -> bool:
        """Look once at the stream and write what has arrived; whether there may be more to do at once.

        Raises:
            ClientError: If the region refuses.
            BotoCoreError: If it does not answer. Nothing is lost: the next step goes on where this one failed.
        """
        if self._stream is None:
            self._stream = ReplicaStream(self._streams, self._prepare(), self.region)
            self.ready.set()
        records = self._stream.read()
        with self._lock:
            for record in records:
                self._observe(record)
        return self._write_arrivals() or bool(records)

    def _observe(self, record: Observed) -> None:
        """Tell a write of the application from one of ours."""
        echoes = self._echoes.pop(record.key, [])
        for number, echo in enumerate(echoes):
            if echo.change.item == record.image:
                if not echo.certain:
                    self._replication.accept(self.region, echo.change, record.time)
                if rest := echoes[number + 1 :]:
                    self._echoes[record.key] = rest
                elif self._replication.current(self.region, record.key) is not echo.change:
                    # Something the stream told first is the later write, and was replaced by ours.
                    self._replication.restore(self.region, record.key)
                return
        # A write of ours that was not heard of asks for the item as it was before this one: it can no longer be done.
        if certain := [echo for echo in echoes if echo.certain]:
            self._echoes[record.key] = certain
        self._replication.write(self.region, record.key, record.image, record.time)

    def _write_arrivals(self) -> bool:
        """Write what is due; whether anything was, so that the stream has something to say."""
        for number in range(_WRITES_AT_ONCE):
            with self._lock:
                change = self._replication.arrival(self.region, time.time())
                current = self._replication.current(self.region, change.key) if change else None
            if change is None:
                return number > 0
            if not self._write(change, current.item if current else None):
                break
        return True

    def _write(self, change: Change, believed: Item | None) -> bool:
        """Write one change; whether it is done, otherwise the stream has something to say first."""
        key = change.key
        found = believed
        if self._refusal and self._refusal[:2] == (key, believed):
            # The stream was read since and does not tell of it.
            found = self._refusal[2]
        self._refusal = None
        echoes = self._echoes[key]
        first_try = not (echoes and echoes[-1].change is change)
        if first_try:
            echoes.append(_Echo(change))
        outcome = self._writer.write(key, change.item, believed=found)
        if isinstance(outcome, Refused):
            if first_try:
                self._forget(key)
            self._refusal = (key, believed, outcome.actual)
            return False
        if outcome.changed:
            echoes[-1].certain = True
        elif first_try:
            self._forget(key)
        with self._lock:
            self._replication.accept(self.region, change, time.time())
        return True

    def _forget(self, key: Key) -> None:
        self._echoes[key].pop()
        if not self._echoes[key]:
            del self._echoes[key]
