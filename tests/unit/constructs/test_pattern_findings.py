"""The rule packs find nothing in the patterns that nobody acknowledged."""

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import Duration

from constructs_lib.idempotent_consumer import IdempotentConsumer
from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from constructs_lib.saga_state_machine import SagaStateMachine, SagaStep
from constructs_lib.testing.findings import findings
from tests.support.functions import consumer, source_folder


@pytest.mark.requirement("SEC-01", "SEC-02")
def test_the_patterns_pass_the_rule_packs(tmp_path: Path) -> None:
    """cdk-nag's AwsSolutions and Serverless packs accept stream, queue and saga, and the grants between them."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1"))
        source = source_folder(tmp_path)
        notify, process, act, undo = (consumer(stack, name, source) for name in ("Notify", "Process", "Act", "Undo"))
        dependency = IsolatedDependencyStream(stack, "provider", consumer=notify)
        events = IdempotentConsumer(stack, "Events", consumer=process)
        saga = SagaStateMachine(
            stack,
            "Saga",
            steps=[
                SagaStep(name="reserve", action=act, compensation=undo),
                SagaStep(name="approve", action=act, callback_timeout=Duration.hours(1)),
            ],
        )
        dependency.grant_write(process)
        saga.grant_start(process)
        saga.grant_task_response(act)
        events.grant_send(undo)

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
