"""One function that calls whatever it is told to, outside AWS."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_lambda as lambda_

HERE = Path(__file__).resolve().parent

app = App()
stack = Stack(app, "Calling")
function = lambda_.Function(
    stack,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="index.handle",
    code=lambda_.Code.from_asset(str(HERE / "calling_function")),
    timeout=Duration.seconds(10),
)
CfnOutput(stack, "FunctionName", value=function.function_name)
app.synth()
