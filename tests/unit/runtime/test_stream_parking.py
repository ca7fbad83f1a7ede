"""What a batch does with the records of a tenant that is unavailable."""

import pytest

from constructs_lib.runtime import (
    TenantUnavailable,
)
from constructs_lib.runtime.stream_ports import Status
from tests.unit.runtime.events import ARRIVED, envelope
from tests.unit.runtime.stream_batches import Consumer, batch, of, raising
from tests.unit.runtime.stream_world import (
    MemoryParking,
    MemoryStatus,
)


@pytest.mark.requirement("ISO-16")
def test_unavailable_tenant_is_parked_and_the_others_go_on() -> None:
    """The record and the later ones of its tenant wait in the parking place, in order; nobody else does."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429", retry_after=30))}, concurrency=1)
    acme = of("a", "a", "b", tenant="acme")
    other = envelope("m-9", key="c", tenant="other").to_json()
    assert consumer.consume(*acme, other) == []
    assert consumer.handled == ["m-1", "m-9"]
    assert consumer.parking.ids("acme") == ["m-1", "m-2", "m-3"]
    assert consumer.parking.until == {"acme": ARRIVED + 30}
    assert consumer.watch.published == {"RecordsDone": 1, "RecordsParked": 3}


def test_records_of_a_tenant_are_parked_in_their_order_over_its_keys() -> None:
    """Whatever key they have: as they stand in the stream."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429"))})
    assert consumer.consume(*of("a", "b", "a", "b", "a")) == []
    assert consumer.parking.ids() == ["m-1", "m-2", "m-3", "m-4", "m-5"]


def test_record_is_not_parked_past_one_of_its_key_that_has_another_tenant() -> None:
    """Order per key holds even where a key's records are not all of one tenant."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)))
    consumer.parking.parked = {"acme": []}
    before: list[list[str]] = []
    consumer.behaviour = {"m-2": lambda: before.append(consumer.parking.ids())}
    tenants = ["acme", "other", "acme"]
    data = [envelope(f"m-{n}", key="a", tenant=tenant).to_json() for n, tenant in enumerate(tenants, start=1)]
    assert consumer.consume(*data) == []
    assert before == [["m-1"]]
    assert consumer.parking.ids() == ["m-1", "m-3"]


@pytest.mark.requirement("ISO-06")
def test_nothing_waits_for_ever_for_a_place_or_a_handler() -> None:
    """What cannot be parked, and what waits behind a broken handler, is exported like what waits for the dependency."""
    tenant_away = Consumer(
        {"m-1": raising(TenantUnavailable("429"))}, parking=MemoryParking(failures=10**6), hold_seconds=3_600
    )
    broken = {f"m-{number}": raising(TypeError("bug")) for number in range(1, 6)}
    for consumer, size in ((tenant_away, 1), (Consumer(broken, hold_seconds=3_600, concurrency=100), 5)):
        consumer.clock.now = ARRIVED + 3_600 - 60
        assert consumer.consume(*batch(size)) == []
        assert [case.kind for case in consumer.quarantine.cases] == ["expired"] * size


def test_record_of_another_key_that_is_at_work_keeps_its_place_before_those_parked() -> None:
    """What runs when its tenant becomes unavailable is not overtaken by the next record of its key."""
    consumer = Consumer(
        {"m-1": raising(TenantUnavailable("429")), "m-2": raising(OSError("reset"), None)},
        concurrency=100,
        seconds={"m-2": 2.0},
    )
    assert consumer.consume(*of("a", "b", "b")) == []
    assert consumer.handled == ["m-1", "m-2"], "its retry would be a call for a tenant that is away"
    assert consumer.parking.ids() == ["m-1", "m-2", "m-3"]


@pytest.mark.requirement("ISO-16")
def test_tenant_with_parked_records_is_parked_without_a_call() -> None:
    """Newer records of a tenant never overtake those that are parked already."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)))
    consumer.parking.parked = {"acme": []}
    assert consumer.consume(*batch(2)) == []
    assert not consumer.handled
    assert consumer.parking.ids() == ["m-1", "m-2"]


def test_parking_place_that_cannot_be_written_holds_the_records_of_that_tenant() -> None:
    """They are tried again, and in the end handed back; nothing of another tenant waits for them."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429"))}, parking=MemoryParking(failures=100))
    other = envelope("m-9", key="c", tenant="other").to_json()
    assert consumer.consume(*of("a", "a"), other) == ["1"]
    assert consumer.handled == ["m-1", "m-9"]
    [page] = consumer.journal.pages
    assert len(page.settled) == 1


def test_parking_place_that_cannot_be_read_holds_the_batch() -> None:
    """Whose records are parked must be known before anything is called."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)), parking=MemoryParking(failures=10**6))
    assert consumer.consume(*batch(2)) == ["1"]
    assert not consumer.handled
