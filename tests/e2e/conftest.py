"""The running alerting system, started once for all tests that talk to it."""

from collections.abc import Iterator

import pytest

from tests.e2e.run.system import System


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Two regions, two tenants, alerts escalate; five minutes take ten seconds, and a flood is soon one."""
    limits = {"sideline_above": 1, "rate_per_second": 2, "burst": 20}
    with System(port=0, standins_port=0, escalates=True, progress=print, tenant_limits=limits) as running:
        yield running
