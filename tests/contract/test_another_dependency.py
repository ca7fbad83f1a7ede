"""A dependency is added to the running system: what is there stays as it is, but for the map that routes to it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.testing.assembly import synthesize
from constructs_lib.testing.replacements import replacements

ROOT = Path(__file__).resolve().parents[2]
REGION = "Alerting-eu-west-1"
# Who looks up, in a setting, which stream a tenant's provider has, and may put records there.
ROUTERS = ("AlertActions", "Escalation", "ProcessEvent")


def template(dependencies: list[str], output: Path) -> dict[str, Any]:
    """The template of one region of the alerting system with those dependencies."""
    given = json.loads((ROOT / "cdk.json").read_text())["context"]["alerting"]
    context = {"alerting": given | {"dependencies": dependencies}, "aws:cdk:bundling-stacks": []}
    assembly = synthesize("python app.py", directory=ROOT, output=output, context=context)
    return dict(assembly.templates[REGION])


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template(["slack"], tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template(["slack", "teams"], tmp_path_factory.mktemp("after"))


@pytest.mark.requirement("ISO-08")
def test_only_the_map_that_routes_to_it_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The setting that names each provider's stream, and the right of those who read it to put records there.

    Dashboards, alarms, topic, API, tables and all of the other dependency are letter for letter what they were.
    """
    changed = {
        logical_id: (deepcopy(resource), deepcopy(after["Resources"].get(logical_id)))
        for logical_id, resource in before["Resources"].items()
        if after["Resources"].get(logical_id) != resource
    }
    kinds = {"AWS::Lambda::Function", "AWS::IAM::Policy"}
    assert {was["Type"] for was, _ in changed.values()} == kinds
    assert len(changed) == len(ROUTERS) * len(kinds)
    for logical_id, (was, now) in changed.items():
        assert logical_id.startswith(ROUTERS)
        assert now is not None
        if was["Type"] == "AWS::Lambda::Function":
            routes = [resource["Properties"]["Environment"]["Variables"].pop("STREAMS") for resource in (was, now)]
            assert ["Slack" in json.dumps(route) for route in routes] == [True, True]
            assert ["Teams" in json.dumps(route) for route in routes] == [False, True]
        else:
            statements = [resource["Properties"]["PolicyDocument"]["Statement"] for resource in (was, now)]
            added = [statement for statement in statements[1] if statement not in statements[0]]
            gone = [statement for statement in statements[0] if statement not in statements[1]]
            # CDK writes grants of the same actions into one statement.
            assert [statement["Action"] for statement in added] == [
                ["kinesis:ListShards", "kinesis:PutRecord", "kinesis:PutRecords"]
            ]
            assert "Teams" in json.dumps(added)
            assert [statement["Action"] for statement in gone] in ([], [added[0]["Action"]])
            for resource, each in zip((was, now), statements, strict=True):
                resource["Properties"]["PolicyDocument"]["Statement"] = [
                    statement for statement in each if statement not in added + gone
                ]
        assert was == now


@pytest.mark.requirement("ISO-08", "LIB-06")
def test_nothing_that_holds_data_is_replaced(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Neither when a dependency is added, nor any of the others when one is taken away."""
    assert replacements(before, after) == []
    gone = replacements(after, before)
    assert gone
    assert all("Teams" in sentence and "would be deleted" in sentence for sentence in gone)
