"""The rule packs find nothing in the patterns that nobody acknowledged."""

import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kinesis as kinesis

from constructs_lib.fan_out import FanOut
from constructs_lib.idempotency_store import StronglyConsistentStore
from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from constructs_lib.idempotent_function import IdempotentFunction
from constructs_lib.idempotent_stream_consumer import IdempotentStreamConsumer, StreamSource
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


def test_cfn_lint_finds_nothing_in_what_the_alerting_system_does_not_use(tmp_path: Path) -> None:
    """FIFO and sideline, subscriptions, streams and the store that regions share."""
    source = source_folder(tmp_path)
    app = cdk.App(outdir=str(tmp_path / "out"), context={"aws:cdk:bundling-stacks": []})
    stack = cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1"))
    bill, ship, count, project, answer = (
        consumer(stack, name, source) for name in ("Bill", "Ship", "Count", "Project", "Answer")
    )
    store = StronglyConsistentStore(
        stack, "Store", table_name="done", replica_regions=["eu-central-1"], witness_region="eu-west-2"
    )
    billing = IdempotentConsumer(stack, "Billing", consumer=bill, sideline_concurrency=2, batch_size=100, store=store)
    billing.subscribe(events.Rule(stack, "Cancelled", event_pattern=events.EventPattern(source=["shop"])))
    FanOut(stack, "Placed").add_consumer(billing)
    shipping = IdempotentConsumer(stack, "Shipping", consumer=ship, queue=MessageQueue.fifo())
    FanOut(stack, "Packed", ordered=True).add_consumer(shipping)
    clicks = StreamSource.kinesis(kinesis.Stream(stack, "Clicks"), retention=Duration.days(1))
    IdempotentStreamConsumer(stack, "counting", consumer=count, source=clicks)
    orders = dynamodb.TableV2(
        stack,
        "Orders",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE,
    )
    IdempotentStreamConsumer(stack, "projecting", consumer=project, source=StreamSource.table(orders))
    IdempotentFunction(stack, "Answers", function=answer)
    template = app.synth().get_stack_by_name("Stack").template_full_path
    done = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), "-i", "W3005", "--", template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
