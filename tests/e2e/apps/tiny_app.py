"""A small app of plain CDK, with none of our constructs: orders come in by HTTP or stream, and end up in a table."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs

HERE = Path(__file__).resolve().parent

app = App()
stack = Stack(app, "Orders")
key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
table = dynamodb.TableV2(stack, "Table", partition_key=key, table_name="orders")
queue = sqs.Queue(stack, "Queue", visibility_timeout=Duration.seconds(30))
stream = kinesis.Stream(stack, "Stream", shard_count=1)
function = lambda_.Function(
    stack,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="index.handle",
    code=lambda_.Code.from_asset(str(HERE / "tiny_function")),
    environment={"TABLE": table.table_name, "QUEUE_URL": queue.queue_url},
    timeout=Duration.seconds(5),
    logging_format=lambda_.LoggingFormat.JSON,
)
table.grant_read_write_data(function)
queue.grant_send_messages(function)
function.add_event_source(sources.SqsEventSource(queue))
function.add_event_source(sources.KinesisEventSource(stream, starting_position=lambda_.StartingPosition.TRIM_HORIZON))
api = apigateway.HttpApi(stack, "Api", default_integration=integrations.HttpLambdaIntegration("Function", function))
alarm = cloudwatch.Alarm(stack, "Failed", metric=function.metric_errors(), threshold=1, evaluation_periods=1)
# A type the emulator does not know.
cloudwatch.CompositeAlarm(
    stack, "Wrong", alarm_rule=cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)
)
CfnOutput(stack, "Url", value=api.url or "")
CfnOutput(stack, "FunctionName", value=function.function_name)
CfnOutput(stack, "StreamName", value=stream.stream_name)
app.synth()
