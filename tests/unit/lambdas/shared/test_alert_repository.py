"""The alerts table: own rows only, nobody's write lost, notes that only move forward.

The table in memory that other tests use has to pass what the real one passes.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.alert import Action, AlertRow, Delivery, Link, RevisionConflictError, Summary
from lambdas.shared.alert_repository import AlertRepository
from tests.unit.lambdas.shared.memory_alerts import MemoryAlerts, World
from tests.unit.lambdas.shared.tables import ALERTS, tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Regions = Callable[[str], AlertRepository | MemoryAlerts]

AT = "2026-11-21T03:40:00.000Z"
SUMMARY = Summary(
    title="High error rate",
    text="",
    kind="alert",
    service="cloudwatch",
    severity="high",
    links=(Link(title="Alarm", url="https://example.com"),),
)
ROW = AlertRow(
    alert_id="a1",
    region="us-east-1",
    tenant="acme",
    fingerprint="f1",
    generation=1,
    last_seen=AT,
    correlation_id="c1",
).with_event("e1", at=AT, summary=SUMMARY, problem_at=AT)


@pytest.fixture
def client() -> "Iterator[DynamoDBClient]":
    with tables() as made:
        yield made


@pytest.fixture
def repository(client: "DynamoDBClient") -> AlertRepository:
    return AlertRepository(client, ALERTS, "us-east-1")


@pytest.fixture(params=["table", "memory"])
def regions(request: pytest.FixtureRequest, client: "DynamoDBClient") -> Regions:
    """Makes the repository of a region."""
    if request.param == "table":
        return lambda region: AlertRepository(client, ALERTS, region)
    world = World()
    return lambda region: MemoryAlerts(world, region)


def test_a_row_comes_back_as_it_was_saved(regions: Regions) -> None:
    """Every fact survives the way through the table."""
    repository = regions("us-east-1")
    action = Action(action_id="x", kind="acknowledge", actor="Ada", at=AT)
    saved = repository.save_facts(ROW.with_action(action))
    assert repository.rows("a1") == [saved]
    assert saved.revision == 1


def test_two_writers_of_one_region_never_overwrite_each_other(regions: Regions) -> None:
    """The second of two that read the same revision is told to decide again."""
    repository = regions("us-east-1")
    saved = repository.save_facts(ROW)
    repository.save_facts(saved.with_event("e2", at=AT, summary=SUMMARY))
    with pytest.raises(RevisionConflictError):
        repository.save_facts(saved.with_event("e3", at=AT, summary=SUMMARY))
    with pytest.raises(RevisionConflictError):
        repository.save_facts(ROW)
    assert repository.rows("a1")[0].event_ids == ("e1", "e2")


def test_another_regions_row_is_not_ours_to_write(regions: Regions) -> None:
    """Replication lets the last writer win, so each row has one writing region."""
    repository = regions("us-east-1")
    with pytest.raises(ValueError, match="eu-west-1 may not be written from us-east-1"):
        repository.save_facts(replace(ROW, region="eu-west-1"))


def test_delivery_and_facts_do_not_disturb_each_other(repository: AlertRepository) -> None:
    """The notifier and the processor write the same row at the same time."""
    saved = repository.save_facts(ROW)
    delivery = Delivery(attempted_at=AT, target="C1", message_id="17.1", version=1, delivered_at=AT, pages={2: AT})
    repository.save_delivery("a1", delivery)
    repository.save_facts(saved.with_event("e2", at=AT, summary=SUMMARY))
    (row,) = repository.rows("a1")
    assert row.delivery == delivery
    assert row.count == 2


def test_a_region_that_only_delivers_leaves_no_row_for_ever(
    client: "DynamoDBClient", repository: AlertRepository
) -> None:
    """The table removes what nobody needs any more by one attribute; a row without it would stay."""
    repository.save_delivery("a1", Delivery(attempted_at=AT, target="C1"))
    item = client.get_item(TableName=ALERTS, Key={"alert_id": {"S": "a1"}, "region": {"S": "us-east-1"}})["Item"]
    assert int(item["expires_at"]["N"]) > 0
    assert repository.load("a1") is None
    assert repository.save_facts(ROW).revision == 1


def test_the_highest_generation_any_region_remembers_is_the_hint(regions: Regions) -> None:
    """A region that was away starts where the others are."""
    here, there = regions("us-east-1"), regions("eu-west-1")
    assert here.generation_hint("acme", "f1") == 1
    there.remember_generation(replace(ROW, region="eu-west-1", generation=3))
    here.remember_generation(replace(ROW, generation=2))
    assert here.generation_hint("acme", "f1") == 3
    assert here.generation_hint("other", "f1") == 1


def test_the_latest_recovery_of_any_region_counts_and_hints_do_not_erase_it(regions: Regions) -> None:
    """An older all-clear that comes late changes nothing."""
    here, there = regions("us-east-1"), regions("eu-west-1")
    assert here.recovered_at("acme", "f1") is None
    here.remember_recovery("acme", "f1", recovered_at="2026-11-21T03:50:00.000Z")
    here.remember_recovery("acme", "f1", recovered_at="2026-11-21T03:45:00.000Z")
    here.remember_generation(ROW)
    assert here.recovered_at("acme", "f1") == "2026-11-21T03:50:00.000Z"
    there.remember_recovery("acme", "f1", recovered_at="2026-11-21T03:55:00.000Z")
    assert here.recovered_at("acme", "f1") == "2026-11-21T03:55:00.000Z"
    assert here.generation_hint("acme", "f1") == 1
