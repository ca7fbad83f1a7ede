"""Running stand-ins, clean for each test."""

from collections.abc import Iterator

import pytest
import urllib3

from tests.standins import StandIns


@pytest.fixture(scope="module")
def running() -> Iterator[StandIns]:
    with StandIns(port=0) as standins:
        yield standins


@pytest.fixture
def standins(running: StandIns) -> StandIns:
    running.record.clear()
    running.faults.clear()
    running.slack.refusals.clear()
    running.interactions_url = None
    return running


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=5)) as pool:
        yield pool
