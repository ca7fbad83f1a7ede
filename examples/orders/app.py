"""An order is published once, or twice; its three consumers each do once what they are for, whatever fails meanwhile."""

from constructs_lib import FanOut, IdempotentConsumer, PythonFunction, grant_items  # isort: skip

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.alarms import OperatorTopic, notify

app = cdk.App()
stack = cdk.Stack(app, "Orders")
table = dynamodb.TableV2(
    stack, "Table", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
)
mail = app.node.try_get_context("mail") or "https://mail.example.com/messages"
published = FanOut(stack, "Published")
for name, settings in (("book_order", {}), ("count_sales", {}), ("mail_receipt", {"MAIL_URL": mail})):
    function = PythonFunction(
        stack,
        f"{name}-function",
        source=f"functions/{name}",
        environment={"TABLE": table.table_name} | settings,
        # After a crash a message comes back when six times this is over.
        timeout=cdk.Duration.seconds(5),
    )
    if name != "mail_receipt":
        grant_items(table, function)
    consumer = IdempotentConsumer(stack, name, consumer=function)
    published.add_consumer(consumer)
    notify(OperatorTopic(stack, f"{name}-operators"), consumer)
    cdk.CfnOutput(stack, f"{name.title().replace('_', '')}Function", value=function.function_name)
    cdk.CfnOutput(stack, f"{name.title().replace('_', '')}DeadLetters", value=consumer.dead_letter_queue.queue_url)
cdk.CfnOutput(stack, "TopicArn", value=published.topic.topic_arn)
cdk.CfnOutput(stack, "TableName", value=table.table_name)
app.synth()
