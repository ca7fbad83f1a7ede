"""An order needs a payment provider and a mail provider; when one is down, the other's work goes on."""

from constructs_lib import IsolatedDependencyStream, PythonFunction  # isort: skip

import aws_cdk as cdk

app = cdk.App()
stack = cdk.Stack(app, "Shop")
for dependency in ("payments", "email"):
    consumer = PythonFunction(stack, f"call-{dependency}", source=f"functions/call_{dependency}")
    stream = IsolatedDependencyStream(stack, dependency, consumer=consumer)
    cdk.CfnOutput(stack, f"{dependency}Stream", value=stream.stream.stream_name)
app.synth()
