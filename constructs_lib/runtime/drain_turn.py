"""One turn of a drainer with one tenant's parked records, oldest position first, one at a time.

A turn ends when a bounded number of rows is settled, when time is up, or with the first record that has to wait, for
what follows it may have its key. What the turn has learnt is kept on the marker: until when to leave the tenant alone,
and how often the first row has been tried.

After a turn that was never ended, the record that ended the function could be any of its rows. Then each attempt is
noted before it begins, and a record whose attempts were begun three times without an end goes to quarantine.
"""

import random
from dataclasses import replace

from constructs_lib.runtime import parking
from constructs_lib.runtime.attempts import (
    DependencyAway,
    Done,
    Refused,
    Result,
    TenantAway,
    Unknown,
    Waits,
    attempt,
    is_records_trouble,
    outcome,
    seconds_aside,
)
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.drain_ports import Work
from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.parking import Marker, Row
from constructs_lib.runtime.quarantine import Case, Kind
from constructs_lib.runtime.records import Arrival, Record
from constructs_lib.runtime.stream_ports import Probe, Wait

# So many rows at most before the next tenant has its turn.
TURN_ROWS = 25
_SWEPT_ROWS = 100

_ATTEMPTS = 3
_CRASHES = 3
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
# After what no other tenant's records would fare better with either.
_LATER_SECONDS = 10.0


class Turn:
    """One turn; the lease is held already.

    Args:
        work: What all turns share.
        place: The tenant's place.
        marker: Its marker, as leased.
        suspect: Whether the turn before was never ended.
        sweeps: Whether rows are to be looked at for age.
        until: When the turn has to end.

    Attributes:
        marker: What the marker is now; None when nothing is parked any more.
        swept: Whether all rows were looked at for age.
        paused_until: Before this time the dependency must not be called for anybody.
    """

    def __init__(self, work: Work, place: str, marker: Marker, *, suspect: bool, sweeps: bool, until: float) -> None:
        self.marker: Marker | None = marker
        self.swept = not sweeps
        self.paused_until = 0.0
        self._work = work
        self._ports = work.ports
        self._place = place
        self._suspect = suspect
        self._end = until
        self._leave_until: float | None = None
        self._was_used = False

    def take(self) -> None:
        """Have the turn, and give the lease back.

        Raises:
            LeaseLostError: If somebody else has the lease now; what they see is whole.
        """
        if self._sweep() and self.marker is not None and self.marker.until <= self._ports.now():
            self._work_off()
        if self.marker is None:
            return
        now = self._ports.now()
        if self._leave_until is not None:
            # It may have been left alone for longer already.
            self._leave_until = max(self._leave_until, self.marker.until)
            self.marker = replace(self.marker, until=self._leave_until)
        if self._was_used:
            # Who could not be asked for anything keeps the place in the line.
            self.marker = replace(self.marker, turned=now)
        self._ports.store.release(self._place, self.marker, until=self._leave_until)
        self.marker = replace(self.marker, owner="", lease=0.0)

    def _sweep(self) -> bool:
        """Give up what has waited too long, wherever it stands: positions of two shards do not tell which is older.

        Returns whether the turn may go on.
        """
        horizon = self._ports.now() - self._work.hold_seconds
        if self.swept or self._marker.oldest > horizon:
            return True
        oldest: float | None = None
        swept = 0
        for row in self._ports.store.rows(self._place):
            if row.arrived > horizon:
                oldest = row.arrived if oldest is None else min(oldest, row.arrived)
                continue
            if swept == _SWEPT_ROWS or not self._has_time():
                return False
            if not self._expire(row):
                # Not again at once: the next drainer looks again.
                self.swept = True
                return False
            swept += 1
            if self.marker is None:
                return False
        if oldest is not None:
            self.marker = self._ports.store.tighten(self._place, self._marker, oldest)
            self.swept = True
        return True

    def _expire(self, row: Row) -> bool:
        arrival = self._ports.store.arrival(row)
        try:
            record = arrival.read()
        except InvalidEnvelopeError:
            record = None
        tries = self._marker.tries_of(row.slot)
        reason = "it has waited as long as a record may"
        return self._give_up(row, arrival, record, kind="expired", reason=reason, attempts=tries)

    def _work_off(self) -> None:
        self.marker, rows = self._ports.store.front(self._place, self._marker, most=TURN_ROWS)
        if not rows and self._ports.store.close(self._place, self._marker):
            self.marker = None
        for row in rows:
            if self.marker is None or not self._has_time() or not self._settles(row):
                return

    def _settles(self, row: Row) -> bool:
        """Work on a row; return whether the next one may follow."""
        arrival = self._ports.store.arrival(row)
        try:
            record = arrival.read()
        except InvalidEnvelopeError as failure:
            return self._give_up(row, arrival, None, kind="unreadable", reason=failure.reason, attempts=0)
        about = {"correlation_id": record.correlation_id, "record_id": record.id, "tenant": record.tenant}
        with self._ports.watch.about(**about, position=record.position):
            before = self._marker
            if self._suspect:
                crashes = before.crashes_of(row.slot)
                if crashes == _CRASHES:
                    reason = "the function ended every time it was at work on this record"
                    return self._give_up(row, arrival, record, kind="crashed", reason=reason, attempts=crashes)
                self.marker = self._ports.store.begin(self._place, before, row.slot)
            result = self._call(row, record)
            if self._suspect:
                # It has ended, so what was noted is not true any more.
                self.marker = parking.noted(self._marker, row.slot, crashes=before.crashes_of(row.slot))
            return result is not None and self._judge(row, arrival, record, result)

    def _call(self, row: Row, record: Record) -> Result | None:
        """Call the handler if that is allowed now."""
        gate, answers, now = self._ports.gate, self._work.answers, self._ports.now
        with self._work.lock:
            began = now()
            retries = self._marker.tries_of(row.slot) > 0 or row.slot in answers.away
            pause = gate.retry(began) if retries else 0.0
            if pause:
                self._leave_until = began + pause
                return None
            answer = gate.ask(began, first=not retries)
            answers.circuit(began, is_open=gate.is_open)
            if isinstance(answer, Wait):
                self.paused_until = max(answer.until, began + _FIRST_PAUSE_SECONDS)
                return None
        self._was_used = True
        began = now()
        with self._work.deadline.measured():
            result = attempt(self._work.handle_record, record)
        ended = now()
        retry_after = result.retry_after if isinstance(result, DependencyAway) else None
        with self._work.lock:
            gate.tell(
                ended,
                outcome(result),
                key=record.key,
                took=ended - began - seconds_aside(),
                retry_after=retry_after,
                probe=isinstance(answer, Probe),
            )
            answers.circuit(ended, is_open=gate.is_open)
            if isinstance(result, Done | TenantAway) and result.called:
                answers.at = ended
            if result.called:
                self._ports.suspicion.saw(record.key, failed=isinstance(result, Unknown))
        return result

    def _judge(self, row: Row, arrival: Arrival, record: Record, result: Result) -> bool:
        watch = self._ports.watch
        match result:
            case Done():
                self._settle(row)
                watch.info("parked record done")
                watch.count("RecordsDone")
                return True
            case Refused(reason):
                attempts = self._marker.tries_of(row.slot) + 1
                return self._give_up(row, arrival, record, kind="permanent", reason=reason, attempts=attempts)
            case TenantAway(reason, retry_after):
                misses = self._marker.misses + 1
                self.marker = replace(self._marker, misses=misses)
                self._leave_until = self._ports.now() + parking.pause_for(misses, retry_after=retry_after)
                watch.warning("tenant still unavailable", reason=reason, retry_after=retry_after)
                return False
            case DependencyAway(reason):
                return self._away(row, arrival, record, reason)
            case Waits(reason, retry_after):
                watch.warning("parked record waits", reason=reason, retry_after=retry_after)
                self._leave_until = self._ports.now() + (_LATER_SECONDS if retry_after is None else retry_after)
                return False
            case Unknown(reason):
                tries = self._marker.tries_of(row.slot) + 1
                return self._failed(
                    row, arrival, record, kind="unknown", reason=reason, tries=tries, most=_ATTEMPTS, calls=tries
                )

    def _away(self, row: Row, arrival: Arrival, record: Record, reason: str) -> bool:
        """Hold a record while the circuit is open; else count the attempt if it is this record's trouble."""
        now, answers = self._ports.now(), self._work.answers
        with self._work.lock:
            times = answers.away.setdefault(row.slot, [])
            times.append(now)
            counts = len(times) > 1 and is_records_trouble(now, first_away=times[0], answered_at=answers.at)
            is_open = self._ports.gate.is_open
        if is_open:
            self._ports.watch.warning("parked record held", reason=reason)
            self.paused_until = now + _FIRST_PAUSE_SECONDS
            return False
        tries, most = self._marker.tries_of(row.slot) + counts, self._work.unavailable_attempts
        calls = max(tries, len(times))
        return self._failed(
            row, arrival, record, kind="unavailable", reason=reason, tries=tries, most=most, calls=calls
        )

    def _failed(
        self,
        row: Row,
        arrival: Arrival,
        record: Record,
        *,
        kind: Kind,
        reason: str,
        tries: int,
        most: int,
        calls: int,
    ) -> bool:
        """Keep how many failed attempts count; give up, or try again after a pause that grows with all *calls*."""
        self._ports.watch.warning("attempt with parked record failed", attempt=calls, reason=reason)
        if tries >= most:
            if kind == "unknown" and self._blames_handler():
                self._ports.watch.count("HandlerFailing")
                self._leave_until = self._ports.now() + _LATER_SECONDS
                return False
            return self._give_up(row, arrival, record, kind=kind, reason=reason, attempts=tries)
        self.marker = parking.noted(self._marker, row.slot, tries=tries)
        pause = min(_FIRST_PAUSE_SECONDS * 2.0**calls, _LONGEST_PAUSE_SECONDS)
        self._leave_until = self._ports.now() + random.uniform(0, pause)  # noqa: S311 - jitter is no secret
        return False

    def _give_up(
        self, row: Row, arrival: Arrival, record: Record | None, *, kind: Kind, reason: str, attempts: int
    ) -> bool:
        function = self._work.function
        case = Case(arrival=arrival, record=record, kind=kind, reason=reason, attempts=attempts, function=function)
        watch = self._ports.watch
        try:
            self._ports.quarantine.keep(case)
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, the record must not be lost
            watch.error("record stays parked, for quarantine cannot be written", reason=reason, error=describe(error))
            self._leave_until = self._ports.now() + _LATER_SECONDS
            return False
        self._settle(row)
        watch.error("parked record quarantined", kind=kind, reason=reason, attempts=attempts)
        watch.count("RecordsQuarantined")
        return True

    def _settle(self, row: Row) -> None:
        self._was_used = True
        left = self._ports.store.settle(self._place, self._marker, row.slot)
        self._ports.watch.count("RecordsUnparked")
        self.marker = left and replace(left, head="", tries=0, crashes=0, misses=0)

    def _blames_handler(self) -> bool:
        with self._work.lock:
            return self._ports.suspicion.blames_handler

    def _has_time(self) -> bool:
        return self._ports.now() < self._end and self._work.deadline.leaves_time()

    @property
    def _marker(self) -> Marker:
        assert self.marker is not None
        return self.marker
