"""Global tables as a whole: what can be told to them."""

from unittest.mock import Mock

import pytest

from constructs_lib.local.replication.runner import GlobalTables
from constructs_lib.local.replication.tables import GlobalTable
from tests.unit.local.test_replication import AP, EU, US


def tables() -> GlobalTables:
    both = GlobalTable(name="both", home=US, regions=(US, EU))
    all_three = GlobalTable(name="all", home=EU, regions=(EU, US, AP))
    return GlobalTables(lambda _service, _region: Mock(), [both, all_three], [US, EU, AP])


def held(tables: GlobalTables) -> set[tuple[str, str, str]]:
    return {
        (table.name, pair.source, pair.receiving) for table in tables.status() for pair in table.pairs if pair.paused
    }


def test_a_partition_is_one_of_every_table() -> None:
    """Of those that have replicas on both sides."""
    running = tables()
    running.pause(US, AP)
    assert held(running) == {("all", US, AP), ("all", AP, US)}
    running.pause(EU, US)
    assert {("both", US, EU), ("both", EU, US), ("all", US, EU), ("all", EU, US)} <= held(running)
    running.resume(US, EU)
    running.resume(AP, US)
    assert held(running) == set()


def test_a_region_is_isolated_in_every_table() -> None:
    """And comes back."""
    running = tables()
    running.pause_region(US)
    assert held(running) == {
        *(("both", *pair) for pair in ((US, EU), (EU, US))),
        *(("all", *pair) for pair in ((US, EU), (EU, US), (US, AP), (AP, US))),
    }
    running.resume_region(US)
    assert held(running) == set()


@pytest.mark.parametrize("action", ["pause", "resume", "pause_region", "resume_region"])
def test_a_region_that_is_not_there_is_named(action: str) -> None:
    """A misspelt fault must not pass for one that had no effect."""
    regions = ("us-esat-1",) if action.endswith("region") else (US, "us-esat-1")
    with pytest.raises(ValueError, match="'us-esat-1'"):
        getattr(tables(), action)(*regions)
