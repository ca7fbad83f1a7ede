"""An operator stops the calls to a provider by hand, and lets them go on."""

import json
import time
import uuid

import pytest

from constructs_lib import cli
from constructs_lib.runtime.circuit_breaker import LOOK_AGAIN_SECONDS
from tests.e2e.conversation import delivered, eventually, message, post
from tests.e2e.run.system import System

pytestmark = pytest.mark.local_cloud


@pytest.mark.requirement("ISO-03")
def test_isolated_by_hand_a_provider_is_left_alone_until_it_is_restored(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is for it waits, what is for the other one is delivered, and afterwards all arrives once."""
    acme, globex, region = system.tenants[0], system.tenants[1], system.regions[0]
    where = ["--port", system.cloud.work_directory.name, "--region", region]
    waits, passes = (f"{what} {uuid.uuid4().hex[:8]}" for what in ("Slack waits", "Teams goes on"))

    def state() -> str:
        capsys.readouterr()
        assert cli.main(["breaker", "show", "Slack", "--json", *where]) == 0
        return str(json.loads(capsys.readouterr().out)["state"])

    assert cli.main(["breaker", "isolate", "Slack", "--reason", "maintenance", *where]) == 0
    try:
        assert state() == "isolated"
        # So long, an environment that has looked just before may still act on what it saw.
        time.sleep(LOOK_AGAIN_SECONDS)
        assert post(system, acme, waits, region=region).status == 202
        assert post(system, globex, passes, region=region).status == 202
        delivered(system, globex, passes)
        assert message(system, acme, waits) is None
    finally:
        assert cli.main(["breaker", "restore", "Slack", *where]) == 0
    assert delivered(system, acme, waits).versions == (1,)
    eventually(lambda: state() == "closed", "the circuit is closed again")
