"""Working off what is parked, tenant by tenant, in turns.

The function is invoked for it once a minute by a schedule; it never invokes itself. Each turn with a tenant is bounded
and the tenant whose last turn is longest ago comes next, so a pile of ten thousand records delays one of three by a
turn. Several tenants are worked for at once; the records of one, one after the other.
"""

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from constructs_lib.runtime import parking
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.drain_ports import DrainPorts, Work
from constructs_lib.runtime.drain_turn import Turn
from constructs_lib.runtime.parking import Marker
from constructs_lib.runtime.parking_store import LeaseLostError
from constructs_lib.runtime.stream_ports import HandleRecord, Status

# The next invocation begins a minute after this one; two at once would double the load on the dependency.
_LONGEST_DRAIN_SECONDS = 50.0
_LONGEST_SLEEP_SECONDS = 5.0


class ParkingDrainer:
    """Works off what is parked.

    Args:
        ports: What it works with.
        hold_seconds: How long a record may wait; what has waited longer goes to quarantine.
        lanes: Most tenants that are worked for at once.
        unavailable_attempts: Attempts with a record that the dependency does not answer although it answers others;
            not less than the circuit's minimum of calls, so that one record can open it. Default: 8.
    """

    def __init__(self, ports: DrainPorts, *, hold_seconds: float, lanes: int, unavailable_attempts: int = 8) -> None:
        self._ports = ports
        self._hold_seconds = hold_seconds
        self._lanes = lanes
        self._unavailable_attempts = unavailable_attempts

    def drain(self, handle_record: HandleRecord, *, deadline: Deadline, function: str, status: Status | None) -> None:
        """Give parked records to the handler as far as their time has come and the invocation's time reaches.

        The parked tenants are looked up whatever *status* says: a count that went wrong must not hide a pile.

        Raises:
            Exception: If it cannot be read who has parked records.
        """
        del status
        work = Work(
            ports=self._ports,
            handle_record=handle_record,
            deadline=deadline,
            function=function,
            hold_seconds=self._hold_seconds,
            unavailable_attempts=self._unavailable_attempts,
        )
        _Drain(work).run(lanes=self._lanes)


class _Drain:
    """One invocation's work."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._ports = work.ports
        self._owner = uuid.uuid4().hex
        self._lock = Lock()
        self._queue: dict[str, Marker] = {}
        self._swept: set[str] = set()
        self._paused_until = 0.0

    def run(self, *, lanes: int) -> None:
        now = self._ports.now()
        end = now + _LONGEST_DRAIN_SECONDS
        self._queue = self._ports.store.markers()
        if not self._queue:
            self._report({})
            return
        suspects = any(map(parking.is_suspect, self._queue.values()))
        # A record that may end the function has to be the only one at work; before that the others have their time.
        first = now + min(_LONGEST_DRAIN_SECONDS, self._work.deadline.seconds_left) / 2 if suspects else end
        lanes = min(lanes, len(self._queue))
        if lanes > 1:
            with ThreadPoolExecutor(lanes) as pool:
                for future in [pool.submit(self._lane, end=first, suspects=False) for _ in range(lanes)]:
                    future.result()
        else:
            self._lane(end=first, suspects=False)
        if suspects:
            self._lane(end=end, suspects=True)
        self._report(self._ports.store.markers())

    def _lane(self, *, end: float, suspects: bool) -> None:
        """Have turns until *end*, or until nobody's time comes before it."""
        while self._work.deadline.leaves_time():
            now = self._ports.now()
            if now >= end:
                return
            with self._lock:
                due = {
                    place: self._due_at(place, marker)
                    for place, marker in self._queue.items()
                    if suspects or not parking.is_suspect(marker)
                }
                soonest = min(due.values(), default=end)
                ready = [place for place, at in due.items() if at <= now]
                place = min(ready, key=lambda each: self._queue[each].turned, default=None)
                if place is not None:
                    del self._queue[place]
            # Nobody is waited for whose time comes too late.
            if soonest >= end or not self._work.deadline.leaves_time(after_seconds=soonest - now):
                return
            if place is None:
                self._ports.sleep(min(soonest - now, _LONGEST_SLEEP_SECONDS))
            else:
                self._have_turn(place, end=end)

    def _have_turn(self, place: str, *, end: float) -> None:
        try:
            marker = self._turn(place, end=end)
        except LeaseLostError:
            self._ports.watch.warning("another drainer works for this tenant", place=place)
        except Exception as error:  # noqa: BLE001 - what is wrong with one tenant's rows must not stop the others
            self._ports.watch.error("turn with a tenant's parked records failed", place=place, error=describe(error))
        else:
            if marker is not None:
                with self._lock:
                    self._queue[place] = marker

    def _turn(self, place: str, *, end: float) -> Marker | None:
        """Have one turn if it is still due; return the marker if another turn may follow."""
        marker = self._ports.store.marker(place)
        if marker is None or self._due_at(place, marker) > self._ports.now():
            return marker
        until = self._ports.now() + self._work.deadline.seconds_left
        leased = self._ports.store.lease(place, marker, owner=self._owner, until=until)
        if leased is None:
            return None
        suspect, sweeps = parking.is_suspect(marker), place not in self._swept
        turn = Turn(self._work, place, leased, suspect=suspect, sweeps=sweeps, until=end)
        turn.take()
        with self._lock:
            self._paused_until = max(self._paused_until, turn.paused_until)
            if turn.swept:
                self._swept.add(place)
        return turn.marker

    def _due_at(self, place: str, marker: Marker) -> float:
        hold_seconds = float("inf") if place in self._swept else self._work.hold_seconds
        return parking.due_at(marker, hold_seconds=hold_seconds, paused_until=self._paused_until)

    def _report(self, markers: Mapping[str, Marker]) -> None:
        oldest = min((marker.oldest for marker in markers.values()), default=None)
        age = 0.0 if oldest is None else max(0.0, self._ports.now() - oldest)
        self._ports.watch.gauge("TenantsParked", len(markers), "Count")
        self._ports.watch.gauge("OldestParkedAge", age, "Seconds")
