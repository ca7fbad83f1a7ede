"""An order is published once; three consumers get it, each by a queue of its own, and one of them hears a bus as well."""

# First, because it points aws_cdk at the Node.js that comes with the project.
from constructs_lib import FanOut, IdempotentConsumer, PythonFunction, grant_items  # isort: skip

from pathlib import Path

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events

NOTE = Path(__file__).resolve().parent / "fan_out_functions" / "note"

app = App()
stack = Stack(app, "Orders")
notes = dynamodb.Table(
    stack,
    "Notes",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
    removal_policy=RemovalPolicy.DESTROY,
)
placed = FanOut(stack, "Placed")
for name in ("Bill", "Pack", "Thank"):
    function = PythonFunction(stack, f"{name}Note", source=NOTE, environment={"NAME": name, "TABLE": notes.table_name})
    consumer = IdempotentConsumer(stack, name, consumer=function)
    grant_items(notes, function)
    placed.add_consumer(consumer)
    CfnOutput(stack, f"{name}DeadLettersUrl", value=consumer.dead_letter_queue.queue_url)
    if name == "Thank":
        consumer.subscribe(events.Rule(stack, "Gift", event_pattern=events.EventPattern(source=["gifts"])))
CfnOutput(stack, "TopicArn", value=placed.topic.topic_arn)
CfnOutput(stack, "NotesName", value=notes.table_name)
app.synth()
