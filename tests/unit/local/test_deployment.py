import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from constructs_lib.local import processes
from constructs_lib.local.assembly import Stack
from constructs_lib.local.deployment import Deployment
from constructs_lib.local.errors import LocalCloudError

URL = "http://127.0.0.1:4566"
ORDERS = Stack(name="Orders", account=None, region="eu-west-1", qualifier="hnb659fds")


class Cdk:
    """Takes the place of the CDK CLI: remembers how it was called, prints and ends as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[list[str]] = []
        self.environment: Mapping[str, str] = {}
        self.directory: Path | None = None
        self.says: list[str] = []
        self.status = 0
        monkeypatch.setattr(processes, "run", self.run)

    def run(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None],
        environment: Mapping[str, str],
        directory: Path,
    ) -> int:
        self.calls.append(list(command[2:]))
        self.environment, self.directory = environment, directory
        for line in self.says:
            on_line(line)
        return self.status


@pytest.fixture
def cdk(monkeypatch: pytest.MonkeyPatch) -> Cdk:
    return Cdk(monkeypatch)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def deployment(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment(URL, tmp_path / "cdk", account="111122223333", progress=told.append)
    monkeypatch.setattr(made, "client", Mock())
    return made


def test_nothing_of_the_users_aws_account_is_used(
    cdk: Cdk, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever profile or session the user has, the CLI sees the emulator's, and the user's ~/.cdk stays as it is."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")

    deployment.bootstrap([("hnb659fds", "eu-west-1")])

    aws = {name: value for name, value in cdk.environment.items() if name.startswith("AWS_")}
    assert "AWS_PROFILE" not in aws
    assert "AWS_SESSION_TOKEN" not in aws
    assert aws["AWS_ENDPOINT_URL"] == URL
    # An access key id that is an account id stands for that account, so what the CLI remembers of it is right.
    assert aws["AWS_ACCESS_KEY_ID"] == "111122223333"
    assert aws["AWS_CONFIG_FILE"] == os.devnull
    assert cdk.environment["CDK_HOME"] == str(tmp_path / "cdk")


def test_a_proxy_is_not_asked_for_the_emulator(
    cdk: Cdk, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app may need the user's proxy for its downloads; the emulator is reached without."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "intranet")

    deployment.bootstrap([("hnb659fds", "eu-west-1")])

    assert cdk.environment["HTTPS_PROXY"] == "http://proxy.example"
    assert cdk.environment["NO_PROXY"].split(",") == ["intranet", "127.0.0.1", "localhost"]


def test_regions_are_bootstrapped_together(cdk: Cdk, deployment: Deployment) -> None:
    """One call for all regions of a qualifier; another qualifier gets its own toolkit stack."""
    deployment.bootstrap([("hnb659fds", "eu-west-1"), ("hnb659fds", "us-east-1"), ("own", "eu-west-1")])

    first, second = cdk.calls
    assert first[:3] == ["bootstrap", "aws://111122223333/eu-west-1", "aws://111122223333/us-east-1"]
    assert "--qualifier" not in first
    assert second[1:6] == [
        "aws://111122223333/eu-west-1",
        "--qualifier",
        "own",
        "--toolkit-stack-name",
        "CDKToolkit-own",
    ]


def test_an_app_runs_in_its_folder_with_its_context(cdk: Cdk, deployment: Deployment, tmp_path: Path) -> None:
    """Context given on the command line reaches the app; without a command cdk.json decides."""
    deployment.synthesize(None, tmp_path / "out", context={"target": "local"}, directory=tmp_path)

    assert cdk.directory == tmp_path
    assert "--app" not in cdk.calls[0]
    assert cdk.calls[0][4:6] == ["--context", "target=local"]


def test_the_message_of_a_failing_app_is_shown(
    cdk: Cdk, deployment: Deployment, told: list[str], tmp_path: Path
) -> None:
    """What the app printed comes before the sentence that it failed."""
    cdk.says, cdk.status = ["ValueError: regions must not be empty"], 1

    with pytest.raises(LocalCloudError, match="could not be synthesized"):
        deployment.synthesize("python app.py", tmp_path / "out", context={}, directory=tmp_path)

    assert told == ["ValueError: regions must not be empty"]


def test_progress_is_short(cdk: Cdk, deployment: Deployment, told: list[str], tmp_path: Path) -> None:
    """Of everything the CLI prints, a person sees which stack is done, and what failed."""
    cdk.says = [
        "Orders: deploying... [1/1]",
        "Orders |   1 | 3:52:38 AM | CREATE_IN_PROGRESS      | AWS::SQS::Queue | Queue (Queue4A7E3555) ",
        "Orders |   2 | 3:52:38 AM | CREATE_COMPLETE         | AWS::SQS::Queue | Queue (Queue4A7E3555) ",
        "Orders |  3/9 | 3:52:38 AM | CREATE_FAILED      | AWS::SQS::Queue | Other (Other1) no such key",
        "Orders |   3 | 3:52:38 AM | CREATE_COMPLETE         | AWS::CloudFormation::Stack | Orders ",
    ]

    deployment.deploy(tmp_path, [])

    assert told == ["Orders: AWS::SQS::Queue Other (Other1) no such key", "Orders: create complete"]


def test_a_failed_deployment_gives_cloudformations_first_reason(
    cdk: Cdk, deployment: Deployment, tmp_path: Path
) -> None:
    """Of all that fails in a rollback, the first failure is the cause: the message names it."""
    cdk.status = 1
    events = [
        {"ResourceStatus": "ROLLBACK_COMPLETE", "LogicalResourceId": "Orders", "ResourceType": "AWS::X"},
        failed("Later", "cancelled"),
        failed("Queue", "name is taken"),
    ]
    client: Any = deployment.client
    client.return_value.describe_stack_events.return_value = {"StackEvents": events}

    with pytest.raises(LocalCloudError, match=r"Orders: Queue \(AWS::SQS::Queue\): name is taken"):
        deployment.deploy(tmp_path, [ORDERS])


def test_a_failure_without_events_gives_the_clis_own_words(cdk: Cdk, deployment: Deployment, tmp_path: Path) -> None:
    """What fails before CloudFormation begins is told as the CLI tells it."""
    cdk.says, cdk.status = ["noise", "❌  Orders failed to deploy", "‣ ValidationError: unknown type"], 1
    client: Any = deployment.client
    client.return_value.describe_stack_events.return_value = {"StackEvents": []}

    with pytest.raises(LocalCloudError, match="ValidationError: unknown type"):
        deployment.deploy(tmp_path, [ORDERS])


def test_outputs_and_resources_are_those_of_cloudformation(cdk: Cdk, deployment: Deployment, tmp_path: Path) -> None:
    """What was deployed is read back, not guessed."""
    client: Any = deployment.client
    cloudformation = client.return_value
    outputs = [{"OutputKey": "Url", "OutputValue": "https://x"}]
    cloudformation.describe_stacks.return_value = {"Stacks": [{"Outputs": outputs}]}
    summary = {"LogicalResourceId": "Queue", "ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "url"}
    cloudformation.get_paginator.return_value.paginate.return_value = [{"StackResourceSummaries": [summary]}]

    (stack,) = deployment.deploy(tmp_path, [ORDERS])

    assert (stack.name, stack.region) == ("Orders", "eu-west-1")
    assert stack.outputs == {"Url": "https://x"}
    assert stack.resources == {"Queue": ("AWS::SQS::Queue", "url")}


def failed(logical_id: str, reason: str) -> dict[str, str]:
    return {
        "ResourceStatus": "CREATE_FAILED",
        "LogicalResourceId": logical_id,
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatusReason": reason,
    }
