"""A shop of plain CDK, with none of our constructs: an order passes most of what a serverless app is made of.

POST /orders -> topic -> queue -> table -> its stream -> Kinesis -> state machine -> table; beside it a rule and a schedule
of one minute, a rule for a function that always fails, and a mapping that is disabled.
"""

from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as schedule_targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as steps
from aws_cdk import aws_stepfunctions_tasks as tasks

HERE = Path(__file__).resolve().parent
MINUTE = Duration.minutes(1)

app = App()
stack = Stack(app, "Shop")

table = dynamodb.Table(
    stack,
    "Orders",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
    stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
    time_to_live_attribute="expires",
)
topic = sns.Topic(stack, "Topic", topic_name="Taken")
dead = sqs.Queue(stack, "Dead")
queue = sqs.Queue(
    stack,
    "ToStore",
    visibility_timeout=Duration.seconds(5),
    dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=2),
)
topic.add_subscription(subscriptions.SqsSubscription(queue))
stream = kinesis.Stream(stack, "Stored", shard_count=1)
failed = sqs.Queue(stack, "Failed")


def function(name: str, **options: Any) -> lambda_.Function:
    """The function `name` of the shop; all of them may use the table."""
    made = lambda_.Function(
        stack,
        name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler=f"index.{name.lower()}",
        code=lambda_.Code.from_asset(str(HERE / "shop_function")),
        timeout=Duration.seconds(5),
        **options,
    )
    made.add_environment("TABLE", table.table_name)
    table.grant_read_write_data(made)
    return made


pack = tasks.LambdaInvoke(stack, "Pack", lambda_function=function("Packer"), result_path="$.packed")
outcomes = {
    state: tasks.DynamoUpdateItem(
        stack,
        state.capitalize(),
        table=table,
        key={"id": tasks.DynamoAttributeValue.from_string(steps.JsonPath.string_at("$.id"))},
        update_expression="SET #state = :state",
        expression_attribute_names={"#state": "state"},
        expression_attribute_values={":state": tasks.DynamoAttributeValue.from_string(state)},
    )
    for state in ("shipped", "refused")
}
pack.add_catch(outcomes["refused"], errors=["OutOfStockError"], result_path="$.error")
machine = steps.StateMachine(
    stack, "Shipping", definition_body=steps.DefinitionBody.from_chainable(pack.next(outcomes["shipped"]))
)

take = function("Take")
take.add_environment("TOPIC", topic.topic_arn)
topic.grant_publish(take)
api = apigateway.HttpApi(
    stack,
    "Api",
    cors_preflight=apigateway.CorsPreflightOptions(
        allow_origins=["https://shop.example.com"], allow_methods=[apigateway.CorsHttpMethod.POST]
    ),
)
integration = integrations.HttpLambdaIntegration("Take", take)
api.add_routes(path="/orders", methods=[apigateway.HttpMethod.POST], integration=integration)
api.add_routes(path="/orders/{id}", methods=[apigateway.HttpMethod.GET], integration=integration)

topic.add_subscription(subscriptions.LambdaSubscription(function("Hear")))

function("Store").add_event_source(sources.SqsEventSource(queue, batch_size=1))

relay = function("Relay")
relay.add_environment("STREAM", stream.stream_name)
stream.grant_write(relay)
relay.add_event_source(sources.DynamoEventSource(table, starting_position=lambda_.StartingPosition.TRIM_HORIZON))

ship = function("Ship")
ship.add_environment("MACHINE", machine.state_machine_arn)
machine.grant_start_execution(ship)
stream.grant_read(ship)
ship.add_event_source_mapping(
    "Stored", event_source_arn=stream.stream_arn, starting_position=lambda_.StartingPosition.TRIM_HORIZON
)
# Would fail with every record, if it ran.
clumsy = function("Clumsy", on_failure=destinations.SqsDestination(failed))
stream.grant_read(clumsy)
clumsy.add_event_source_mapping(
    "Stored",
    event_source_arn=stream.stream_arn,
    starting_position=lambda_.StartingPosition.TRIM_HORIZON,
    enabled=False,
)
events.Rule(
    stack,
    "Breakage",
    event_pattern=events.EventPattern(source=["shop"]),
    targets=[event_targets.LambdaFunction(clumsy)],
)

tick = function("Tick")
events.Rule(stack, "EachMinute", schedule=events.Schedule.rate(MINUTE), targets=[event_targets.LambdaFunction(tick)])
scheduler.Schedule(
    stack,
    "AlsoEachMinute",
    schedule=scheduler.ScheduleExpression.rate(MINUTE),
    target=schedule_targets.LambdaInvoke(
        tick, input=scheduler.ScheduleTargetInput.from_object({"source": "the schedule"})
    ),
)

CfnOutput(stack, "Url", value=api.url or "")
CfnOutput(stack, "TableName", value=table.table_name)
CfnOutput(stack, "TopicArn", value=topic.topic_arn)
CfnOutput(stack, "DeadUrl", value=dead.queue_url)
CfnOutput(stack, "FailedUrl", value=failed.queue_url)
CfnOutput(stack, "ShipName", value=ship.function_name)
CfnOutput(stack, "ClumsyName", value=clumsy.function_name)
app.synth()
