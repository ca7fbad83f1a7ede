from typing import Any

import pytest

from constructs_lib.local import logs
from constructs_lib.local.errors import LocalCloudError


class MissingError(Exception):
    """What the service says of a log group that does not exist."""


class Cloud:
    """Functions and log groups of one or more regions."""

    exceptions = type("Exceptions", (), {"ResourceNotFoundException": MissingError})

    def __init__(self) -> None:
        self.functions: dict[str, list[dict[str, Any]]] = {}
        self.groups: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def client(self, _service: str, region: str) -> "Cloud":
        looked_at = Cloud()
        looked_at.functions, looked_at.groups, looked_at.region = self.functions, self.groups, region
        return looked_at

    region = ""

    def get_paginator(self, operation: str) -> Any:
        def paginate(**named: Any) -> list[dict[str, Any]]:
            match operation:
                case "list_functions":
                    return [{"Functions": self.functions.get(self.region, [])}]
                case "describe_log_groups":
                    return [{"logGroups": [{"logGroupName": g} for r, g in self.groups if r == self.region]}]
            if (self.region, named["logGroupName"]) not in self.groups:
                raise MissingError
            events = self.groups[self.region, named["logGroupName"]]
            return [{"events": [event for event in events if event["timestamp"] >= named["startTime"]]}]

        return type("Paginator", (), {"paginate": staticmethod(paginate)})


def event(timestamp: int, message: str) -> dict[str, Any]:
    return {"timestamp": timestamp, "message": f"{message}\n", "logStreamName": "s"}


def test_a_function_is_found_by_a_part_of_its_name() -> None:
    """The name a person knows is part of the one CloudFormation made; its own log group counts."""
    cloud = Cloud()
    cloud.functions["eu-west-1"] = [
        {"FunctionName": "Orders-IngestA1B2", "LoggingConfig": {"LogGroup": "/own"}},
        {"FunctionName": "Orders-Other"},
    ]
    cloud.groups["eu-west-1", "/saga/ingest"] = []

    found = logs.log_groups("ingest", ["us-east-1", "eu-west-1"], cloud.client)

    assert found == [("eu-west-1", "/own"), ("eu-west-1", "/saga/ingest")]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """Who mistypes a name reads the right ones."""
    cloud = Cloud()
    cloud.functions["eu-west-1"] = [{"FunctionName": "Orders-Ingest"}]

    with pytest.raises(LocalCloudError, match=r"Nothing called zzz .* Orders-Ingest"):
        logs.log_groups("zzz", ["eu-west-1"], cloud.client)


def test_lines_of_all_regions_come_in_the_order_of_time() -> None:
    """One timeline, each line with its region; a function that never ran adds nothing."""
    cloud = Cloud()
    cloud.groups["us-east-1", "/f"] = [event(1, "one"), event(3, "three")]
    cloud.groups["eu-west-1", "/f"] = [event(2, "two")]

    lines = logs.lines([("us-east-1", "/f"), ("eu-west-1", "/f"), ("eu-west-1", "/never")], cloud.client)

    assert list(lines) == ["us-east-1 one", "eu-west-1 two", "us-east-1 three"]


def test_following_tells_every_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """New lines are told as they come, none twice, and an equal line of the same moment is a line of its own."""
    cloud = Cloud()
    cloud.groups["eu-west-1", "/f"] = [event(1, "one"), event(2, "two")]
    later = [[], [event(2, "two")], [event(3, "three")]]
    monkeypatch.setattr("time.sleep", lambda _: cloud.groups["eu-west-1", "/f"].extend(later.pop(0)))

    lines = logs.lines([("eu-west-1", "/f")], cloud.client, follow=True)

    assert [next(lines) for _ in range(4)] == ["one", "two", "two", "three"]
