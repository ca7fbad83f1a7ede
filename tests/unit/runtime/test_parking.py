"""Putting a tenant's records aside: marker and rows are never one without the other."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from constructs_lib.runtime import parking
from constructs_lib.runtime.parking import Marker
from constructs_lib.runtime.parking_store import LeaseLostError
from tests.unit.runtime.events import ARRIVED
from tests.unit.runtime.parking_world import Actors, World, check, parked


def test_parked_tenant_is_known_and_no_other() -> None:
    """Whoever asks learns who has to wait, under whatever name."""
    world = World()
    strange = ["", "=acme", "#acme", "x" * 2_000]
    for tenant in ["acme", *strange]:
        world.store.park(tenant, [parked(1)], until=0)
    assert world.store.waiting(["acme", "globex", *strange]) == {"acme", *strange}
    assert world.table.rows["status", "status"]["parked"] == 5


def test_redelivered_record_is_not_parked_twice() -> None:
    """A batch that comes again after a crash, with more behind it, adds only what is new."""
    world = World()
    world.park(parked(1), parked(2))
    world.park(parked(1), parked(2), parked(3))
    world.park(parked(1), parked(2), parked(3))
    assert world.waits() == ["1", "2", "3"]
    [marker] = world.store.markers().values()
    assert marker.rows == 3


def test_rows_are_in_order_of_position_whatever_its_length() -> None:
    """Sequence numbers are numbers, and grow longer."""
    world = World()
    for position in (10, 9, 2 * 10**55, 1):
        world.park(parked(position))
    assert world.waits() == ["1", "9", "10", str(2 * 10**55)]


def test_records_of_one_position_in_two_shards_are_both_kept() -> None:
    """A sequence number is unique in its shard only."""
    world = World()
    slots = {parking.slot_of("7", name) for name in ("shardId-000000000001-7", "shardId-000000000002-7")}
    assert len(slots) == 2
    assert all(len(slot) < 1_024 for slot in slots)
    assert not world.waits()


def test_large_pile_is_parked_in_transactions_that_fit() -> None:
    """Neither the number of rows nor their bytes exceed what DynamoDB takes; the table in memory would refuse more."""
    world = World()
    text = "x" * 100_000
    world.park(*(parked(position, text=text if position < 60 else "") for position in range(1, 220)))
    assert len(world.waits()) == 219
    [marker] = world.store.markers().values()
    assert marker.rows == 219


def test_payload_too_large_for_an_item_goes_to_the_bucket() -> None:
    """And comes back as it was, under a name that a second delivery does not change."""
    world = World()
    large, small = parked(1, text="ä" * 60_000), parked(2, text="ä" * 30_000)
    for _ in range(2):
        world.park(large, small)
    first, second = world.store.rows("=acme")
    assert ("payload" in first.content, "payload" in second.content) == (False, True)
    assert world.store.arrival(first).payload == large.arrival.payload
    assert world.store.arrival(first).read() == large.record
    assert world.store.arrival(second).read() == small.record
    assert all(row.size < 400_000 for row in world.store.rows("=acme"))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [(ARRIVED + 30, ARRIVED + 30), (float("inf"), 0), (float("nan"), 0), (1e300, ARRIVED + 8 * 86_400)],
)
def test_time_to_leave_a_tenant_alone_is_one_that_ends(asked: float, kept: float) -> None:
    """Whatever the other side asks for, no record is held for longer than records may be."""
    world = World()
    world.park(parked(1), until=asked)
    assert world.store.markers()["=acme"].until == kept


def test_later_parking_only_ever_extends_the_time() -> None:
    """A shard that knows nothing new does not shorten what the other side asked another one for."""
    world = World()
    world.park(parked(1), until=ARRIVED + 30)
    world.park(parked(2), until=0)
    world.park(parked(3), until=ARRIVED + 20)
    assert world.store.markers()["=acme"].until == ARRIVED + 30
    world.park(parked(4), until=ARRIVED + 40)
    assert world.store.markers()["=acme"].until == ARRIVED + 40


def test_age_of_a_pile_is_never_understated() -> None:
    """A record of another shard may be older than the first one parked."""
    world = World()
    world.park(parked(5, arrived=ARRIVED))
    world.park(parked(6, arrived=ARRIVED - 100))
    assert world.store.markers()["=acme"].oldest == ARRIVED - 100


def test_marker_stays_while_a_record_is_being_parked() -> None:
    """The trap: a drainer settles what it takes for the last row; another one has come, so the marker stays."""
    world = World()
    world.park(parked(1))
    marker = world.store.marker("=acme")
    assert marker is not None
    leased = world.store.lease("=acme", marker, owner="me", until=ARRIVED + 60)
    assert leased is not None
    assert leased.rows == 1
    world.park(parked(2))
    [row, _] = world.store.rows("=acme")
    left = world.store.settle("=acme", leased, row.slot)
    assert left is not None
    assert left.rows == 1
    assert world.store.waiting(["acme"]) == {"acme"}
    check(world.table)


def test_marker_that_counts_rows_nobody_finds_is_taken_away_unless_one_comes() -> None:
    """Rows deleted by hand must not hold a tenant for ever; a row that comes at that moment must not be left behind."""
    world = World()
    world.park(parked(1))
    marker = world.store.marker("=acme")
    assert marker is not None
    [row] = world.store.rows("=acme")
    del world.table.rows["tenant#=acme", row.slot]
    world.table.rows["parked", "=acme"]["rows"] = 2
    assert not world.store.close("=acme", marker)
    world.table.rows["parked", "=acme"]["rows"] = 1
    assert world.store.close("=acme", marker)
    assert world.store.waiting(["acme"]) == frozenset()


@pytest.mark.parametrize("rows", [1, 2])
def test_only_the_owner_of_the_lease_changes_the_pile(rows: int) -> None:
    """Who has lost it learns so, and nothing has changed."""
    world = World()
    world.park(*(parked(position) for position in range(1, rows + 1)))
    marker = world.store.marker("=acme")
    assert marker is not None
    mine = world.store.lease("=acme", marker, owner="me", until=ARRIVED + 60)
    assert mine is not None
    assert world.store.lease("=acme", marker, owner="you", until=ARRIVED + 60) is None
    taken = world.store.lease("=acme", mine, owner="you", until=ARRIVED + 160)
    assert taken is not None
    row, *_ = world.store.rows("=acme")
    with pytest.raises(LeaseLostError):
        world.store.settle("=acme", mine, row.slot)
    with pytest.raises(LeaseLostError):
        world.store.begin("=acme", mine, row.slot)
    with pytest.raises(LeaseLostError):
        world.store.release("=acme", mine, until=None)
    assert world.store.marker("=acme") == taken


@pytest.mark.parametrize("seed", range(40))
def test_two_shards_that_park_for_one_tenant_at_once_lose_nothing(seed: int) -> None:
    """Whoever goes on at each call, so that what the other one has read is out of date."""
    chance = random.Random(seed)
    actors = Actors(choose=lambda names: (chance.choice(names), False))
    world = World()
    world.table.step = actors.step
    ages = {1: 5, 2: 3, 3: 9, 4: 1, 5: 7, 6: 8}

    def park(positions: Sequence[int]) -> None:
        for position in positions:
            age = ages[position]
            world.park(parked(position, arrived=ARRIVED - age), until=ARRIVED + age)

    actors.run({"shard 1": lambda: park((1, 3, 5)), "shard 2": lambda: park((2, 4, 6))})
    assert world.waits() == ["1", "2", "3", "4", "5", "6"]
    [marker] = world.store.markers().values()
    assert (marker.rows, marker.oldest, marker.until) == (6, ARRIVED - 9, ARRIVED + 9)


def test_age_that_was_looked_up_is_kept_only_if_nothing_has_come_since() -> None:
    """A record that comes while rows are looked at for age may be older than all of them."""
    world = World()
    world.park(parked(1, arrived=ARRIVED - 900), parked(2, arrived=ARRIVED - 100))
    marker = world.store.marker("=acme")
    assert marker is not None
    leased = world.store.lease("=acme", marker, owner="me", until=ARRIVED + 60)
    assert leased is not None
    world.park(parked(3, arrived=ARRIVED - 500))
    assert world.store.tighten("=acme", leased, ARRIVED - 100).oldest == ARRIVED - 900
    assert world.store.markers()["=acme"].oldest == ARRIVED - 900
    assert world.store.tighten("=acme", replace(leased, rows=3), ARRIVED - 500).oldest == ARRIVED - 500
    assert world.store.markers()["=acme"].oldest == ARRIVED - 500


def test_front_of_a_pile_has_no_holes() -> None:
    """While the pile is read page by page, two rows of a key come, the earlier one in front of where the reader is."""
    world = World()
    world.park(*(parked(position) for position in (4, 5, 6)))
    marker = world.store.marker("=acme")
    assert marker is not None
    leased = world.store.lease("=acme", marker, owner="me", until=ARRIVED + 60)
    assert leased is not None
    before = world.table.calls

    def in_the_middle() -> None:
        if world.table.calls == before + 2:
            world.table.calls += 100
            world.park(parked(1), parked(7))

    world.table.step = in_the_middle
    now, rows = world.store.front("=acme", leased, most=10)
    assert [row.content["position"] for row in rows] == ["1", "4", "5", "6", "7"]
    assert now.rows == 5


MARKER = Marker(rows=3, until=100, oldest=50)


@pytest.mark.parametrize(
    ("marker", "paused_until", "due"),
    [
        (MARKER, 0, 100),
        (MARKER, 200, 200),
        (Marker(rows=3, until=5_000, oldest=50), 0, 1_050),
        (Marker(rows=3, until=100, oldest=50, owner="x", lease=300), 0, 360),
    ],
)
def test_a_tenants_turn_comes(marker: Marker, paused_until: float, due: float) -> None:
    """When it may be asked for again and the dependency may be called, or a record has waited too long; while somebody
    works for it not before the lease has surely run out."""
    assert parking.due_at(marker, hold_seconds=1_000, paused_until=paused_until) == due


@pytest.mark.parametrize(
    ("misses", "retry_after", "pause"),
    [
        (1, None, 1), (2, None, 2), (5, None, 16), (60, None, 300),
        (9, 30.0, 30), (1, 0.0, 1), (1, float("inf"), 1), (1, 1e300, 8 * 86_400),
    ],
)  # fmt: skip
def test_tenant_is_left_alone_as_long_as_was_asked_for(misses: int, retry_after: float | None, pause: float) -> None:
    """Seconds; where nothing was asked for, pauses double up to five minutes."""
    assert parking.pause_for(misses, retry_after=retry_after) == pause
