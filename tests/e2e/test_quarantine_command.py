"""What failed for good comes back by command: quarantine, look, fix, redrive, delivered."""

import json
import uuid
from typing import Any

import pytest

from constructs_lib import cli
from tests.e2e.conversation import delivered, eventually, message, post
from tests.e2e.run.system import System

pytestmark = pytest.mark.local_cloud


@pytest.mark.requirement("MSG-08", "ISO-07")
def test_an_alert_that_slack_refused_is_redriven_once_its_channel_is_back(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    """Teams and Slack's other records notice neither the refusal nor the redrive."""
    acme, region = system.tenants[0], system.regions[0]
    where = ["--port", system.cloud.work_directory.name, "--dependency", "Slack", "--region", region]
    text = f"Nobody reads this channel {uuid.uuid4().hex[:8]}"

    def quarantine(*arguments: str) -> Any:
        capsys.readouterr()
        assert cli.main(["quarantine", *arguments, *where]) == 0
        return json.loads(capsys.readouterr().out)

    def found() -> list[str]:
        items = quarantine(
            "list", "--json", "--kind", "permanent", "--matching", "is_archived", "--tenant", acme.tenant
        )
        return [item["id"] for item in items]

    def refused() -> list[str]:
        return [item for item in found() if item not in before]

    before = found()
    system.standins.slack.refusals[acme.home.target] = "is_archived"
    try:
        assert post(system, acme, text, region=region).status == 202
        # Two ask for the message: the event that opened the alert, and the first level of its escalation.
        eventually(lambda: len(refused()) == 2, "the refused commands are in quarantine")
        new = refused()
        shown = quarantine("show", new[0])
        assert shown["key"] == shown["payload"]["key"] == shown["partition_key"]
        planned = quarantine("redrive", *new, "--dry-run", "--json")
        assert [item["id"] for items in planned["streams"].values() for item in items] == new
        assert message(system, acme, text) is None
    finally:
        del system.standins.slack.refusals[acme.home.target]
    assert quarantine("redrive", *new, "--json") == {"sent": len(new), "left": 0, "impossible": {}}
    assert delivered(system, acme, text).versions == (1,)
    assert found() == before
    assert quarantine("show", new[0])["settled"]["action"] == "redriven"
