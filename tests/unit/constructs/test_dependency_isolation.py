"""The isolation rule: what two dependencies share is found, whatever it is and however it is reached."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import aws_cdk as cdk
import pytest
from aws_cdk import Validations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns

from constructs_lib.alarms import notify
from constructs_lib.dependency_isolation import DependencyIsolation, declare_shared, part_of_dependency
from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from constructs_lib.testing.findings import validation_findings
from tests.support.functions import consumer, source_folder

Two = tuple[IsolatedDependencyStream, IsolatedDependencyStream]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


@pytest.fixture
def found(source: Path, tmp_path: Path) -> Callable[[Callable[[cdk.Stack, Two], None]], list[str]]:
    """What the rule says of an app with two dependencies to which something was done."""

    def found(do: Callable[[cdk.Stack, Two], None]) -> list[str]:
        def build(app: cdk.App) -> None:
            stack = cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1"))
            slack, teams = (
                IsolatedDependencyStream(stack, name, consumer=consumer(stack, f"Notify-{name}", source))
                for name in ("slack", "teams")
            )
            do(stack, (slack, teams))

        return validation_findings(
            build,
            lambda _app: [DependencyIsolation()],
            output=tmp_path / "out",
            context={"aws:cdk:bundling-stacks": []},
        )

    return found


Found = Callable[[Callable[[cdk.Stack, Two], None]], list[str]]


@pytest.mark.requirement("ISO-01")
def test_two_isolated_dependencies_share_nothing(found: Found) -> None:
    """As the construct makes them; also with one producer for both, and one topic for the alarms of both."""

    def produce(stack: cdk.Stack, both: Two) -> None:
        producer = iam.Role(stack, "Producer", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        for each in both:
            each.grant_write(producer)
        notify(sns.Topic(stack, "Operators"), *both)

    assert found(produce) == []


def table(stack: cdk.Stack, both: Two) -> None:
    shared = dynamodb.Table(
        stack, "Shared", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    )
    for each in both:
        shared.grant_read_data(each.consumer)


def key(stack: cdk.Stack, both: Two, *, name: str = "Shared") -> None:
    shared = kms.Key(stack, name)
    for each in both:
        stream = each.stream.node.default_child
        assert isinstance(stream, kinesis.CfnStream)
        stream.stream_encryption = kinesis.CfnStream.StreamEncryptionProperty(
            encryption_type="KMS", key_id=shared.key_arn
        )


def secret(stack: cdk.Stack, both: Two) -> None:
    shared = secretsmanager.Secret(stack, "Shared")
    for each in both:
        each.consumer.add_environment("TOKEN", shared.secret_arn)


def role(stack: cdk.Stack, both: Two) -> None:
    shared = iam.Role(stack, "Shared", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    for each in both:
        function = each.consumer.node.default_child
        assert isinstance(function, lambda_.CfnFunction)
        function.role = shared.role_arn


def function(stack: cdk.Stack, both: Two) -> None:
    shared = lambda_.Function(
        stack,
        "Shared",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handle",
        code=lambda_.Code.from_inline("def handle(event, context): ..."),
    )
    for each in both:
        shared.grant_invoke(each.consumer)


def policy(stack: cdk.Stack, both: Two) -> None:
    roles = [each.consumer.role for each in both]
    iam.ManagedPolicy(
        stack,
        "Shared",
        roles=[role for role in roles if role],
        statements=[iam.PolicyStatement(actions=["ses:SendEmail"], resources=["arn:aws:ses:eu-west-1:1:identity/a"])],
    )


def invoker(stack: cdk.Stack, both: Two) -> None:
    events.Rule(
        stack,
        "Shared",
        schedule=events.Schedule.rate(cdk.Duration.hours(1)),
        targets=[targets.LambdaFunction(each.consumer) for each in both],
    )


@pytest.mark.requirement("ISO-01")
@pytest.mark.parametrize("share", [table, key, secret, role, function, policy, invoker])
def test_a_shared_resource_is_found(share: Callable[[cdk.Stack, Two], None], found: Found) -> None:
    """Named by its construct path, with both dependencies."""
    shared = [finding for finding in found(share) if "[Stack/Shared/Resource]" in finding]
    assert len(shared) == 1, found(share)
    assert "'slack' and 'teams'" in shared[0]


@pytest.mark.requirement("ISO-01")
def test_a_shared_thing_outside_the_app_is_found(found: Found) -> None:
    """A table or secret known by name only is as shared as one of the app's own."""

    def share(stack: cdk.Stack, both: Two) -> None:
        for index, each in enumerate(both):
            imported = secretsmanager.Secret.from_secret_name_v2(stack, f"Imported{index}", "provider/token")
            imported.grant_read(each.consumer)

    (finding,) = found(share)
    assert "secret:provider/token-??????" in finding


@pytest.mark.requirement("ISO-01")
def test_a_secret_in_plain_settings_is_found(found: Found) -> None:
    """A reference that CloudFormation resolves reaches the secret without a grant."""

    def share(stack: cdk.Stack, both: Two) -> None:
        for each in both:
            each.consumer.add_environment("TOKEN", "{{resolve:secretsmanager:provider/token}}")

    (finding,) = found(share)
    assert "{{resolve:secretsmanager:provider/token}}" in finding


@pytest.mark.requirement("ISO-01")
def test_a_thing_shared_through_another_stack_is_found(found: Found) -> None:
    """What another stack gives away is known by its export."""

    def share(stack: cdk.Stack, both: Two) -> None:
        other = cdk.Stack(cast("cdk.App", stack.node.root), "Other", env=cdk.Environment(region="eu-west-1"))
        shared = secretsmanager.Secret(other, "Shared")
        for each in both:
            each.consumer.add_environment("TOKEN", shared.secret_arn)

    findings = found(share)
    assert len(findings) == 1
    assert "Shared" in findings[0]


@pytest.mark.requirement("ISO-01")
def test_what_is_declared_shared_is_accepted(found: Found) -> None:
    """A resource, or the ARN of something outside; nothing else is accepted along with it."""
    identity = "arn:aws:ses:eu-west-1:1:identity/a"

    def share(stack: cdk.Stack, both: Two, *, declared: Sequence[str]) -> None:
        table(stack, both)
        for each in both:
            each.consumer.add_to_role_policy(iam.PolicyStatement(actions=["ses:SendEmail"], resources=[identity]))
        if "table" in declared:
            declare_shared(stack, stack.node.find_child("Shared"), reason="DynamoDB is no external dependency.")
        if "identity" in declared:
            declare_shared(stack, identity, reason="An identity is a name.")

    assert found(partial(share, declared=["table", "identity"])) == []
    (only_identity,) = found(partial(share, declared=["table"]))
    assert identity in only_identity
    (only_table,) = found(partial(share, declared=["identity"]))
    assert "[Stack/Shared/Resource]" in only_table


@pytest.mark.requirement("ISO-01")
def test_what_lies_behind_something_shared_is_no_news(found: Found) -> None:
    """One finding for a shared function, none for its role and log; but what both reach by themselves is found too."""

    def share(stack: cdk.Stack, both: Two) -> None:
        function(stack, both)
        behind = secretsmanager.Secret(stack, "Behind")
        shared = stack.node.find_child("Shared")
        assert isinstance(shared, lambda_.Function)
        behind.grant_read(shared)
        # The shared function puts records on the streams, which makes them no more shared than it is.
        for each in both:
            each.grant_write(shared)

    assert [finding.split()[0] for finding in found(share)] == ["SharedBetweenDependencies[Stack/Shared/Resource]"]

    def both_ways(stack: cdk.Stack, both: Two) -> None:
        share(stack, both)
        key(stack, both, name="Key")

    assert len(found(both_ways)) == 2


@pytest.mark.requirement("ISO-01")
def test_one_that_calls_the_other_hides_nothing(found: Found) -> None:
    """That the consumer itself is reached is one thing; a secret that both may read is another."""

    def call_and_share(stack: cdk.Stack, both: Two) -> None:
        slack, teams = both
        slack.consumer.grant_invoke(teams.consumer)
        shared = secretsmanager.Secret(stack, "Shared")
        for each in both:
            shared.grant_read(each.consumer)

    names = [finding.split()[0] for finding in found(call_and_share)]
    assert "SharedBetweenDependencies[Stack/Notify-slack/Resource]" in names
    assert "SharedBetweenDependencies[Stack/Shared/Resource]" in names


def test_only_what_the_app_defines_can_be_declared_as_a_construct() -> None:
    """What is imported has no place in the app; its ARN says what is meant."""
    stack = cdk.Stack()
    imported = secretsmanager.Secret.from_secret_name_v2(stack, "Imported", "provider/token")
    with pytest.raises(ValueError, match=r"shared must be resources or ARNs, got 'Default/Imported'.*give its ARN"):
        declare_shared(stack, imported, reason="...")


@pytest.mark.requirement("ISO-01")
def test_synthesis_fails(source: Path, tmp_path: Path) -> None:
    """Not only a report: an app that shares is not written."""
    app = cdk.App(outdir=str(tmp_path), context={"aws:cdk:bundling-stacks": []})
    stack = cdk.Stack(app, "Stack")
    slack, teams = (
        IsolatedDependencyStream(stack, name, consumer=consumer(stack, f"Notify-{name}", source))
        for name in ("slack", "teams")
    )
    table(stack, (slack, teams))
    Validations.of(app).add_plugins(DependencyIsolation())
    with pytest.raises(RuntimeError, match=r"ValidationFailed|Validation failed"):
        app.synth()


@pytest.mark.requirement("ISO-01")
def test_parts_of_ones_own_are_watched_too(tmp_path: Path) -> None:
    """Without any construct of this library; parts of one name belong together, so they may share."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack")
        shared = kms.Key(stack, "Key")
        first, second, third = (
            kinesis.Stream(stack, name, encryption=kinesis.StreamEncryption.KMS, encryption_key=shared)
            for name in ("First", "Second", "Third")
        )
        part_of_dependency("slack", first, second)
        part_of_dependency("teams", third)

    (finding,) = validation_findings(build, lambda _app: [DependencyIsolation()], output=tmp_path)
    assert "[Stack/Key/Resource]" in finding
    assert "'slack' and 'teams'" in finding
