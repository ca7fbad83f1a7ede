"""`resilience breaker` as an operator types it, against AWS in memory."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from constructs_lib import cli
from constructs_lib.operations import breaker
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place
from constructs_lib.runtime.breaker_store import STATUS_KEY, DynamoStatus
from constructs_lib.runtime.shared_breaker import SharedBreaker


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DynamoStatus]:
    """The state of a dependency in an account."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "XDG_CACHE_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="state-of-slack",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield DynamoStatus(client, "state-of-slack")
    signal.signal(signal.SIGTERM, before)


def resilience(capsys: pytest.CaptureFixture[str], command: str, *more: str) -> str:
    assert cli.main(["breaker", command, "Slack", "--table", "state-of-slack", *more]) == 0
    return capsys.readouterr().out


def test_a_healthy_circuit_is_shown_as_closed(status: DynamoStatus, capsys: pytest.CaptureFixture[str]) -> None:
    """Though there is nothing in its table."""
    assert resilience(capsys, "show") == "Slack in eu-west-1: closed\n"


def test_an_operator_stops_all_calls_and_lets_them_go_on(
    status: DynamoStatus, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who looks meanwhile sees since when and why; after it one call tries first."""
    assert resilience(capsys, "isolate", "--reason", "maintenance") == "Slack in eu-west-1: isolated\n"
    assert resilience(capsys, "isolate", "--reason", "again") == "Slack in eu-west-1: is isolated already\n"
    shown = resilience(capsys, "show").splitlines()
    assert shown[0].startswith("Slack in eu-west-1: isolated since 20")
    assert shown[1:] == ["  reason: maintenance"]

    assert "one call tries" in resilience(capsys, "restore")
    assert resilience(capsys, "show").splitlines()[1:] == ["  next probe: at once"]
    breaker = SharedBreaker.of(status.read().breaker)
    assert (breaker.state, breaker.reason) == ("open", "")
    assert status.take_token(seen=breaker, probe_seconds=5.0).done


def test_an_open_circuit_shows_when_it_tries_again(status: DynamoStatus, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the dependency asked for more than the interval; parked records are told beside."""
    opened = status.open(seen=SharedBreaker(), probe_seconds=5.0, not_before=0.0).breaker
    status.postpone(seen=opened, until=1_900_000_000.0)
    boto3.client("dynamodb").update_item(
        TableName="state-of-slack",
        Key=STATUS_KEY,
        UpdateExpression="SET parked = :two",
        ExpressionAttributeValues={":two": {"N": "2"}},
    )
    shown = resilience(capsys, "show").splitlines()
    assert shown[1:] == ["  next probe: not before 2030-03-17T17:46:40Z", "  tenants with parked records: 2"]

    kept = json.loads(resilience(capsys, "show", "--json"))
    assert kept | {"state": "open", "not_before": 1_900_000_000.0, "parked": 2, "table": "state-of-slack"} == kept


def test_what_aws_refuses_is_a_sentence(status: DynamoStatus, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a stack trace."""
    assert cli.main(["breaker", "show", "Slack", "--table", "no-such-table"]) == 1
    assert "GetItem failed" in capsys.readouterr().err


def place(*functions: tuple[str, str, dict[str, str]]) -> Place:
    """An account with these functions: (region, name, settings)."""

    def client(service: str, region: str) -> Any:
        found = [
            {"FunctionName": name, "Environment": {"Variables": settings}}
            for there, name, settings in functions
            if there == region
        ]
        pages = SimpleNamespace(paginate=lambda: [{"Functions": found}])
        return SimpleNamespace(get_paginator=lambda _: pages)

    return Place(regions=("eu-west-1", "us-east-1"), client=client)


def settings(table: str | None) -> dict[str, str]:
    named = {"RESILIENCE_DEPENDENCY": "Slack"}
    return named if table is None else named | {"RESILIENCE_STATE_TABLE": table}


def test_the_table_is_found_by_the_consumers_settings() -> None:
    """One circuit per region."""
    found = breaker.find(
        place(("eu-west-1", "notify", settings("a")), ("us-east-1", "notify", settings("b"))), dependency="Slack"
    )
    assert [(each.region, each.table) for each in found] == [("eu-west-1", "a"), ("us-east-1", "b")]


def test_every_circuit_is_found_where_none_is_named() -> None:
    """One per dependency and region."""
    teams = {"RESILIENCE_DEPENDENCY": "Teams", "RESILIENCE_STATE_TABLE": "c"}
    found = breaker.find(
        place(
            ("eu-west-1", "slack", settings("a")), ("us-east-1", "slack", settings("b")), ("us-east-1", "teams", teams)
        ),
        dependency=None,
    )
    assert [(each.dependency, each.region, each.table) for each in found] == [
        ("Slack", "eu-west-1", "a"),
        ("Slack", "us-east-1", "b"),
        ("Teams", "us-east-1", "c"),
    ]


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ([("eu-west-1", "notify", settings(None))], "notify in eu-west-1 has no state table"),
        ([("eu-west-1", "one", settings("a")), ("eu-west-1", "two", settings("b"))], "--table and one of a, b"),
        ([], "There is no dependency Slack"),
    ],
)
def test_nothing_is_done_to_a_circuit_that_may_not_be_meant(functions: Any, words: str) -> None:
    """The error says what there is, and how to say what is meant."""
    with pytest.raises(OperationError, match=words):
        breaker.find(place(*functions), dependency="Slack")


def test_a_table_alone_says_no_region() -> None:
    """Where there are several, guessing one would stop the wrong calls."""
    with pytest.raises(OperationError, match="--table needs --region"):
        breaker.find(place(), dependency="Slack", table="a")
