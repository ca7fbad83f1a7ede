"""A message that its consumer gave up comes back by command: listed with its reason, repaired, redriven, delivered."""

import json
import uuid
from typing import Any

import pytest

from constructs_lib import cli
from tests.e2e.conversation import delivered, eventually, message, post
from tests.e2e.run.accounting import Home
from tests.e2e.run.system import DemoTenant, System

pytestmark = pytest.mark.local_cloud


@pytest.mark.requirement("MSG-08")
def test_an_event_of_a_tenant_that_was_not_known_yet_is_redriven(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    name, region = f"late-{uuid.uuid4().hex[:8]}", system.regions[0]
    home = Home(provider="teams", target=f"19:{name}@thread.v2")
    late = DemoTenant(tenant=name, endpoint=f"endpoint-{name}", home=home)
    where = ["--port", system.cloud.work_directory.name, "--consumer", "process_event", "--region", region]
    tenants = system.cloud.client("dynamodb", region)

    def letters(*arguments: str) -> Any:
        capsys.readouterr()
        assert cli.main(["dead-letters", *arguments, *where]) == 0
        return json.loads(capsys.readouterr().out)

    def mine() -> list[Any]:
        return [each for each in letters("list", "--json") if each["tenant"] == name]

    tenants.put_item(
        TableName="alerting-tenants", Item={"id": {"S": f"endpoint#{late.endpoint}"}, "tenant": {"S": name}}
    )
    text = f"Sent before we were introduced {name}"
    assert post(system, late, text, region=region).status == 202
    eventually(lambda: len(mine()) == 1, "the event is a dead letter")
    [letter] = mine()
    assert f"there is no tenant '{name}'" in letter["reason"]
    tenants.put_item(
        TableName="alerting-tenants",
        Item={
            "id": {"S": f"tenant#{name}"},
            "tenant": {"S": name},
            "name": {"S": name},
            "provider": {"S": home.provider},
            "channel": {"S": home.target},
            "escalates": {"BOOL": False},
        },
    )
    assert [each["id"] for each in letters("redrive", letter["id"], "--dry-run", "--json")] == [letter["id"]]
    assert message(system, late, text) is None
    assert letters("redrive", letter["id"], "--json") == {"sent": 1, "left": {}}
    assert delivered(system, late, text).versions == (1,)
    assert mine() == []
