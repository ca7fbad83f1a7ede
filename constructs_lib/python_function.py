"""PythonFunction: one folder of code as a function that can be seen and traced, and may do only what it was granted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jsii
from aws_cdk import (
    Acknowledgment,
    AssetHashType,
    BundlingOptions,
    DockerImage,
    Duration,
    ILocalBundling,
    RemovalPolicy,
    Stack,
    Validations,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._bundle import Bundle, collect
from constructs_lib._checks import between, duration_between

# An alarm looks at this long at a time: one bad minute is seen, and a single retry that helps does not page for hours.
_ALARM_PERIOD_MINUTES = 5


class PythonFunction(lambda_.Function):
    """Run one folder of Python code as a Lambda function.

    *source* holds `handler.py` with a function `handle`. Its parent folder is the import root, so code reads the same
    in a test and on AWS: `lambdas/notify` becomes `lambdas.notify.handler.handle`. Bundled with it are the parent's
    `__init__.py` and `shared` folder, `constructs_lib.runtime`, the packages of a `requirements.txt` in *source*, which
    must be pinned and pure Python, and Powertools if an import statement of that code names it; code that loads it
    otherwise lists it in its `requirements.txt`. Where synth runs on Python 3.13 too, bytecode goes along and makes the
    function start faster. No Docker is needed. The asset's hash depends on code, locks and that only; packages are
    installed once per lock, so a later synth needs no network.

    The function runs Python 3.13 on arm64 with X-Ray tracing and JSON logs in a log group of its own. Its role may
    write those logs and traces; everything else takes a grant.

    Defines a function, a role, a log group and two alarms.

    Args:
        scope: Construct that owns this one.
        id: Name of the function, unique within *scope*.
        source: Folder with the code; a relative path starts at the current directory.
        environment: Settings for the code; they win over those this construct sets. Default: none.
        timeout: Longest run of one invocation, 1 second to 15 minutes. Default: 30 seconds.
        memory_size: Memory in MiB, 128 to 10240; CPU grows with it. Default: 256.
        reserved_concurrency:
            Most invocations at once, kept free for this function; 0 stops it. Default: no limit of its own.
        log_retention: How long logs are kept. Default: one month.
        description: What the function does, for people in the console. Default: none.

    Attributes:
        alarms: Fires when an invocation fails or is turned away.
        log_group: Where the function logs.
        service: Its name in logs and metrics: the name of the folder, or what *environment* says instead.

    Raises:
        ValueError: If an option is out of range, or *source* cannot be bundled.
        RuntimeError: If packages must be installed and cannot be.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        source: str | Path,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_size: int = 256,
        reserved_concurrency: int | None = None,
        log_retention: logs.RetentionDays | None = None,
        description: str | None = None,
    ) -> None:
        timeout = timeout or Duration.seconds(30)
        duration_between(
            "timeout",
            timeout,
            Duration.seconds(1),
            Duration.minutes(15),
            way_out="split longer work into steps of a saga",
        )
        between("memory_size", memory_size, 128, 10240, way_out="split the work into smaller pieces")
        if reserved_concurrency is not None:
            between("reserved_concurrency", reserved_concurrency, 0, 100_000, way_out="leave it out for no limit")
        bundle = collect(Path(source))
        if Stack.of(scope).bundling_required:
            bundle.fetch()
        log_group = logs.LogGroup(
            scope,
            f"{id}Logs",
            retention=log_retention or logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        settings = {
            environment_names.SERVICE_NAME: bundle.package,
            environment_names.METRICS_NAMESPACE: environment_names.NAMESPACE,
            **(environment or {}),
        }
        super().__init__(
            scope,
            id,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=bundle.handler,
            code=_code(Path(source), bundle),
            role=_role(scope, id, log_group),
            environment=settings,
            timeout=timeout,
            memory_size=memory_size,
            reserved_concurrent_executions=reserved_concurrency,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
            description=description,
        )
        self.service: str = settings[environment_names.SERVICE_NAME]
        # Not the `tracing` option: it would add a second, wider statement beside the role's own.
        resource = cast("lambda_.CfnFunction", self.node.default_child)
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        _acknowledge(resource)
        self.alarms: tuple[cloudwatch.Alarm, ...] = (
            self._alarm("ErrorsAlarm", self.metric_errors, f"{id} raised an error or timed out."),
            self._alarm(
                "ThrottlesAlarm", self.metric_throttles, f"{id} was turned away: no concurrency was left for it."
            ),
        )

    def _alarm(self, id: str, metric: Any, description: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric(period=Duration.minutes(_ALARM_PERIOD_MINUTES), statistic="Sum"),
            alarm_description=description,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


@jsii.implements(ILocalBundling)
class _LocalBundling:
    """Hands CDK the finished asset, so that it asks for no Docker."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    # jsii passes the options by keyword only if it finds this one by name.
    def try_bundle(self, output_dir: str, *, image: DockerImage, **_others: Any) -> bool:  # noqa: ARG002 - see above
        self._bundle.write(Path(output_dir))
        return True


def _code(source: Path, bundle: Bundle) -> lambda_.Code:
    return lambda_.Code.from_asset(
        str(source),
        asset_hash=bundle.fingerprint,
        asset_hash_type=AssetHashType.CUSTOM,
        bundling=BundlingOptions(
            image=DockerImage.from_registry("never-pulled"), local=cast("ILocalBundling", _LocalBundling(bundle))
        ),
    )


def _role(scope: Construct, id: str, log_group: logs.LogGroup) -> iam.Role:
    role = iam.Role(
        scope,
        f"{id}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={
            "Tracing": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"])
                ]
            )
        },
    )
    log_group.grant_write(role)
    # On the resource, not the construct: a wildcard that a later grant brings is still found.
    reason = "X-Ray has no resource to name: both actions can be granted on * only."
    Validations.of(cast("Construct", role.node.default_child)).acknowledge(
        Acknowledgment(id="AwsSolutions-IAM5[Resource::*]", reason=reason),
        Acknowledgment(id="Serverless-LambdaStarPermissions", reason=reason),
    )
    return role


def _acknowledge(resource: lambda_.CfnFunction) -> None:
    newest = "Python 3.13 is a supported runtime; a newer one is taken up once the tests have run on it."
    Validations.of(resource).acknowledge(
        Acknowledgment(id="AwsSolutions-L1", reason=newest),
        Acknowledgment(id="Serverless-LambdaLatestVersion", reason=newest),
        Acknowledgment(
            id="Serverless-LambdaDLQ",
            reason="Nothing that could be lost is sent to the function asynchronously; the queue, stream, API or "
            "workflow before it keeps what failed.",
        ),
    )
