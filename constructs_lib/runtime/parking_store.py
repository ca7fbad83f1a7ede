"""The parking place in the state table.

What makes a row too large for an item goes to the quarantine bucket, as `parked/<dependency>/<shard and position>`, before
the row that points there is written. The name follows from the record alone, so a record that comes again is not stored
twice.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from constructs_lib.runtime import parking
from constructs_lib.runtime.parking import Marker, Row
from constructs_lib.runtime.records import Arrival, arrival_again
from constructs_lib.runtime.stream_ports import Parked
from constructs_lib.runtime.table_writes import Table, Write

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# An item has room for 400 KB; the rest of a row takes a few hundred bytes.
_LARGEST_PAYLOAD = 350_000
# Every lost round is one that another environment has won.
_ROUNDS = 50


class ParkingContentionError(Exception):
    """Others changed a tenant's marker every time before this change could be made."""


class LeaseLostError(Exception):
    """Another drainer works for the tenant now."""


class Payloads(Protocol):
    """Port to the place of payloads that are too large for a row."""

    def keep(self, name: str, payload: str) -> str:
        """Store a payload, and return where."""

    def read(self, where: str) -> str:
        """Return the payload stored at *where*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Payloads:
    """Large payloads in a bucket, which encrypts what it stores.

    Args:
        client: S3 client.
        bucket: Name of the bucket.
        dependency: Name of the dependency the records are for.
    """

    client: "S3Client"
    bucket: str
    dependency: str

    def keep(self, name: str, payload: str) -> str:
        """Store a payload, and return its key."""
        key = f"parked/{self.dependency}/{name}"
        self.client.put_object(Bucket=self.bucket, Key=key, Body=payload.encode(), ContentType="text/plain")
        return key

    def read(self, where: str) -> str:
        """Return the payload of that key."""
        return self.client.get_object(Bucket=self.bucket, Key=where)["Body"].read().decode()


@dataclass(frozen=True, slots=True)
class ParkingStore:
    """The parking place of one dependency in one region. Safe to use from several threads.

    Every method raises what the table or the bucket raises.

    Args:
        table: The state table.
        payloads: Where large payloads go.
    """

    table: Table
    payloads: Payloads

    def waiting(self, tenants: Collection[str]) -> frozenset[str]:
        """Return those of *tenants* that have parked records."""
        places = {parking.place_of(tenant): tenant for tenant in tenants}
        # One question for all of them: there are few markers, or there would be no healthy tenants left.
        return frozenset(places[place] for place, _ in self.table.items(parking.MARKERS) if place in places)

    def park(self, tenant: str, arrivals: Sequence[Parked], *, until: float) -> None:
        """Store the records and mark the tenant; what is there already stays as it is.

        Raises:
            ParkingContentionError: If others changed the marker every time.
        """
        place = parking.place_of(tenant)
        for rows in parking.batches([self._row(each.arrival) for each in arrivals]):
            self._add(place, rows, until)

    def markers(self) -> dict[str, Marker]:
        """Return the marker of every place that has one."""
        return {place: Marker.from_item(item) for place, item in self.table.items(parking.MARKERS)}

    def marker(self, place: str) -> Marker | None:
        """Return the marker of one place."""
        item = self.table.item(parking.MARKERS, place)
        return None if item is None else Marker.from_item(item)

    def rows(self, place: str, *, most: int | None = None) -> Iterator[Row]:
        """Return the rows of one place in order, at most so many."""
        for slot, item in self.table.items(parking.rows_of(place), most=most):
            yield Row.from_item(slot, item)

    def front(self, place: str, marker: Marker, *, most: int) -> tuple[Marker, list[Row]]:
        """Return the first rows of a place, at most so many, with none missing between them, and what the marker is now.

        Raises:
            LeaseLostError: If the lease is lost.
            ParkingContentionError: If rows came every time.
        """
        for _ in range(_ROUNDS):
            rows = list(self.rows(place, most=most))
            if not self.table.transact(parking.confirming(place, marker)):
                return marker, rows
            marker = self._owned(place, marker)
        raise ParkingContentionError

    def lease(self, place: str, marker: Marker, *, owner: str, until: float) -> Marker | None:
        """Take the lease that *marker* shows to be free; None: somebody was quicker."""
        if self.table.transact(parking.leasing(place, marker, owner=owner, until=until)):
            return None
        return replace(marker, owner=owner, lease=until)

    def begin(self, place: str, marker: Marker, slot: str) -> Marker:
        """Note that an attempt with a row begins, so that it counts even if it never ends.

        Raises:
            LeaseLostError: If the lease is lost; nothing is noted.
        """
        self._as_owner(parking.beginning(place, marker, slot))
        return parking.noted(marker, slot, crashes=marker.crashes_of(slot) + 1)

    def settle(self, place: str, marker: Marker, slot: str) -> Marker | None:
        """Take a row away, and the marker with the last one; return what the marker is now, None if it is gone.

        Raises:
            LeaseLostError: If the lease is lost; the row stays.
            ParkingContentionError: If others changed the marker every time.
        """
        for _ in range(_ROUNDS):
            refused = self.table.transact(parking.settling(place, marker, slot))
            if not refused:
                return None if marker.rows == 1 else replace(marker, rows=marker.rows - 1)
            if 0 in refused:
                raise LeaseLostError
            marker = self._owned(place, marker)
        raise ParkingContentionError

    def close(self, place: str, marker: Marker) -> bool:
        """Take away a marker that was read before it was seen that no row is left; False: one has come since."""
        return not self.table.transact(parking.closing(place, marker))

    def tighten(self, place: str, marker: Marker, oldest: float) -> Marker:
        """Note when the oldest row arrived, unless rows have come since *marker* was read."""
        refused = self.table.transact(parking.tightening(place, marker, oldest))
        return marker if refused else replace(marker, oldest=oldest)

    def release(self, place: str, marker: Marker, *, until: float | None) -> None:
        """Give the lease back; *until*: the tenant is to be left alone so long.

        Raises:
            LeaseLostError: If it is lost.
        """
        self._as_owner(parking.releasing(place, marker, until=until))

    def arrival(self, row: Row) -> Arrival:
        """Return the record of a row as it was received."""
        content = {name: str(value) for name, value in row.content.items()}
        payload = self.payloads.read(content["payload_at"]) if "payload_at" in content else content["payload"]
        return arrival_again(
            position=content["position"],
            name=content["name"],
            source=content["source"],
            arrived=row.arrived,
            payload=payload,
            payload_encoding="base64" if content["payload_encoding"] == "base64" else "utf-8",
            partition_key=content.get("partition_key"),
        )

    def _add(self, place: str, rows: list[Row], until: float) -> None:
        for _ in range(_ROUNDS):
            marker = self.marker(place)
            refused = self.table.transact(parking.adding(place, marker, rows, until=until))
            if not refused:
                return
            # A row that is there already was parked before: its batch has come again.
            rows = [row for index, row in enumerate(rows) if index not in refused]
            if not rows:
                return
        raise ParkingContentionError

    def _owned(self, place: str, marker: Marker) -> Marker:
        """Return *marker* with the number of rows that there are now."""
        now = self.marker(place)
        if now is None or now.owner != marker.owner:
            raise LeaseLostError
        return replace(marker, rows=now.rows)

    def _as_owner(self, writes: list[Write]) -> None:
        if self.table.transact(writes):
            raise LeaseLostError

    def _row(self, arrival: Arrival) -> Row:
        content = {
            "position": arrival.position,
            "name": arrival.name,
            "source": arrival.source,
            "payload_encoding": arrival.payload_encoding,
        }
        if arrival.partition_key is not None:
            content["partition_key"] = arrival.partition_key
        if len(arrival.payload.encode()) > _LARGEST_PAYLOAD:
            content["payload_at"] = self.payloads.keep(arrival.name, arrival.payload)
        else:
            content["payload"] = arrival.payload
        slot = parking.slot_of(arrival.position, arrival.name)
        return Row(slot=slot, arrived=arrival.arrived.timestamp(), content=content)
