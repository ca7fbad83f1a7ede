"""How the parts of a dependency are found, in any number of regions and stacks."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from constructs_lib.operations import dependencies
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place, on_aws

REGIONS = ("eu-west-1", "us-east-1")


class Functions:
    """Lambda and CloudFormation with these functions: (region, stack, name, settings)."""

    def __init__(self, *functions: tuple[str, str, str, dict[str, str] | None]) -> None:
        self._functions = functions

    def client(self, service: str, region: str) -> Any:
        there = [each for each in self._functions if each[0] == region]
        return _Lambda(there) if service == "lambda" else _CloudFormation(there)


class _Lambda:
    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def get_paginator(self, _name: str) -> "_Lambda":
        return self

    def paginate(self) -> Iterator[Any]:
        for _, _, name, _ in self._functions:
            yield {"Functions": [self.get_function_configuration(name)]}

    def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - as boto3 names it
        [settings] = [settings for _, _, name, settings in self._functions if name == FunctionName]
        # Without settings, Lambda leaves the field out.
        return {"FunctionName": FunctionName} | ({} if settings is None else {"Environment": {"Variables": settings}})


class _CloudFormation:
    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self.exceptions = SimpleNamespace(ClientError=ClientError)

    def get_paginator(self, _name: str) -> "_CloudFormation":
        return self

    def paginate(self, StackName: str) -> Iterator[Any]:  # noqa: N803 - as boto3 names it
        found = [name for _, stack, name, _ in self._functions if stack == StackName]
        if not found:
            error: Any = {"Error": {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}}
            raise ClientError(error, "ListStackResources")
        for name in found:
            yield {
                "StackResourceSummaries": [
                    {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": name},
                    {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": "b"},
                ]
            }


def settings_of(name: str) -> dict[str, str]:
    return {"RESILIENCE_DEPENDENCY": name, "RESILIENCE_QUARANTINE_BUCKET": f"bucket-of-{name}"}


@pytest.fixture
def place() -> Place:
    functions = Functions(
        ("eu-west-1", "Alerts", "notify-slack", settings_of("Slack")),
        ("eu-west-1", "Alerts", "notify-teams", settings_of("Teams")),
        ("eu-west-1", "Alerts", "ingest", {"A": "b"}),
        ("eu-west-1", "Alerts", "bare", None),
        ("us-east-1", "Alerts", "notify-slack-2", settings_of("Slack")),
        ("us-east-1", "Shop", "mail", settings_of("Mail")),
    )
    return Place(regions=REGIONS, client=functions.client)


def test_every_dependency_of_every_region_is_found(place: Place) -> None:
    """By what their consumers run with; other functions do not matter."""
    found = [(each.name, each.region, each.function) for each in dependencies.find(place)]
    assert found == [
        ("Mail", "us-east-1", "mail"),
        ("Slack", "eu-west-1", "notify-slack"),
        ("Slack", "us-east-1", "notify-slack-2"),
        ("Teams", "eu-west-1", "notify-teams"),
    ]


def test_one_is_found_by_stack_and_name(place: Place) -> None:
    """A stack that is not in every region is no error."""
    assert dependencies.find_one(place, stack="Shop").settings["RESILIENCE_QUARANTINE_BUCKET"] == "bucket-of-Mail"
    assert dependencies.find_one(place, dependency="Teams").function == "notify-teams"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dependency": "Slak"}, "no dependency Slak in eu-west-1 and us-east-1; the dependencies there: Mail, Slack"),
        ({"stack": "Nope"}, "no external dependency in stack Nope in .*; the dependencies there: none"),
        ({"stack": "Shop", "dependency": "Slack"}, "stack Shop .*: Mail. Check --stack"),
        ({"dependency": "Slack"}, r"Slack in eu-west-1 \(notify-slack\), Slack in us-east-1 .*--region"),
    ],
)
def test_what_is_not_one_is_refused_with_what_there_is(place: Place, options: dict[str, str], words: str) -> None:
    """An operator at night sees the name that was meant."""
    with pytest.raises(OperationError, match=words):
        dependencies.find_one(place, **options)


def test_without_a_region_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with mock_aws(), pytest.raises(OperationError, match="--region, or set AWS_REGION"):
        on_aws()
