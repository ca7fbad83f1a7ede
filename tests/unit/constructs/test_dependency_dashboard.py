"""A dependency's row on a dashboard shows what its alarms watch."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.dependency_dashboard import DependencyDashboard
from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources


def widgets(stack: cdk.Stack) -> list[dict[str, Any]]:
    """The dashboard's widgets, references replaced by their text."""
    body = only(stack, "AWS::CloudWatch::Dashboard")["DashboardBody"]
    parts = body["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else json.dumps(part).replace('"', "'") for part in parts)
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def test_each_dependency_has_a_row(tmp_path: Path) -> None:
    """Full width, one below the other, each with its alarms first."""
    stack, source = new_stack(), source_folder(tmp_path)
    both = [
        IsolatedDependencyStream(stack, name, consumer=consumer(stack, f"Notify-{name}", source))
        for name in ("slack", "teams")
    ]
    DependencyDashboard(stack, "Dependencies", dependencies=both)
    rows: dict[int, list[dict[str, Any]]] = {}
    for widget in widgets(stack):
        rows.setdefault(widget["y"], []).append(widget)
    assert len(rows) == 2
    for name, row in zip(("slack", "teams"), rows.values(), strict=True):
        assert sum(widget["width"] for widget in row) == 24
        assert [widget["type"] for widget in row] == ["alarm", *["metric"] * 4]
        assert all(name in widget["properties"]["title"] for widget in row)
        assert len(row[0]["properties"]["alarms"]) == len(resources(stack, "AWS::CloudWatch::Alarm")) / 2


def test_what_an_alarm_watches_can_be_seen(tmp_path: Path) -> None:
    """Whoever is woken finds the number on the dashboard; the function's own are in its log and its own page."""
    stack = new_stack()
    dependency = IsolatedDependencyStream(stack, "slack", consumer=consumer(stack, "Notify", source_folder(tmp_path)))
    DependencyDashboard(stack, "Dependencies", dependencies=[dependency])
    shown = {
        metric[1] for widget in widgets(stack) for axis in ("metrics",) for metric in widget["properties"].get(axis, [])
    }
    watched = {alarm["Properties"]["MetricName"] for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()}
    assert watched - shown == {"Errors", "Throttles"}


@pytest.mark.requirement("LIB-04")
def test_a_dashboard_of_nothing_is_refused() -> None:
    """The error names the option, what was given and the way out."""
    with pytest.raises(ValueError, match="dependencies must hold at least one IsolatedDependencyStream, got none"):
        DependencyDashboard(new_stack(), "Dependencies", dependencies=[])
