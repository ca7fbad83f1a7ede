"""SagaStateMachine: finish every step, or undo what was done, or call someone."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Acknowledgment, Duration, Names, RemovalPolicy, Token, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from constructs_lib._checks import between, duration_between, in_words
from constructs_lib._saga_definition import compile_saga, longest_run_seconds
from constructs_lib._saga_retries import Retries
from constructs_lib._saga_step import SagaStep, check_steps

__all__ = ["SagaStateMachine", "SagaStep"]

# Step Functions ends a Standard execution after one year (service quotas).
_LONGEST_EXECUTION = Duration.days(365)
_PERIOD = Duration.minutes(5)


class SagaStateMachine(Construct):
    """Run steps in order; when one fails, undo the finished ones in reverse order.

    A failed action is retried with exponential backoff and full jitter (2 seconds doubling to at most 1 minute); an
    error named `PermanentFailure`, the class Python functions raise, is not. Then the compensations of the finished
    steps run, last first, and the execution fails with `SagaRolledBack`. Where an attempt's outcome is unknown (it
    timed out, or the function or Lambda broke off), the action is repeated, with the attempts counted anew once; if
    that fails too, the step's own compensation runs as well. A callback that times out is not asked for again.

    A compensation that keeps failing is recorded in `failed_compensations` with everything needed to run it by hand;
    the others still run, and the execution fails with `CompensationFailed`.

    No compensation runs when an execution is stopped by hand, runs into *timeout*, or fails with `States.Runtime`,
    which Step Functions lets nobody catch; the compiled states give no occasion for the last, a *timeout* that the
    steps could reach is refused, and there is an alarm on each. A result too large to keep (`States.DataLimitExceeded`;
    input and results share 256 KiB) turns the saga back like an unknown outcome.

    n successful steps cost n state transitions, one more for each `wait` and `may_complete`. Output of a saga that
    succeeds: `{"results": {<step>: <result>}}`.

    Defines a Standard state machine with X-Ray tracing, a role, a log group (events without payloads, one month) and,
    if a step has a compensation, a queue for failed ones (14 days, retained); three or four alarms.

    Args:
        scope: Construct that owns this one.
        id: Name of the saga, unique within *scope*.
        steps: What to do, in order; 1 to 100.
        timeout:
            Longest run of one execution, at most 365 days; it must be longer than the steps, their retries and their
            compensations can take. Default: 30 days, or that if it is longer.
        max_attempts: Attempts of an action, the first included, 1 to 10. Default: 4.
        compensation_max_attempts: Attempts of a compensation, the first included, 1 to 20. Default: 8.

    Attributes:
        state_machine: The state machine.
        role: What it runs as: it may invoke the functions of the steps, record, log and trace. Grants to the state
            machine itself have no effect; add them here.
        log_group: Where its events are logged.
        failed_compensations: Queue of what could not be undone, one JSON message each: `function`, the `payload` to
            invoke it with, and its `error`. None if no step has a compensation.
        alarms: All of the following that there are.
        failed_alarm: Fires when an execution fails, undone or not.
        timed_out_alarm: Fires when an execution runs into *timeout*.
        aborted_alarm: Fires when an execution is stopped by hand.
        compensation_alarm: Fires while a record is in `failed_compensations`. None if there is no such queue.

    Raises:
        ValueError: If there is no step or too many, two share a name, an option is out of range, or *timeout* could
            cut the saga short.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        steps: Sequence[SagaStep],
        timeout: Duration | None = None,
        max_attempts: int = 4,
        compensation_max_attempts: int = 8,
    ) -> None:
        super().__init__(scope, id)
        check_steps(steps)
        for option, value in (
            ("max_attempts", max_attempts),
            ("compensation_max_attempts", compensation_max_attempts),
        ):
            if Token.is_unresolved(value):
                raise ValueError(f"{option} must be known at synth, got a value that CDK resolves later; give a number")
        between("max_attempts", max_attempts, 1, 10, way_out="raise `wait` or split the step for more patience")
        between(
            "compensation_max_attempts",
            compensation_max_attempts,
            1,
            20,
            way_out="what still fails is recorded and can be run by hand",
        )
        retries, compensation_retries = Retries(max_attempts), Retries(compensation_max_attempts)

        self.failed_compensations: sqs.IQueue | None = (
            _queue(self) if any(step.compensation for step in steps) else None
        )
        self.log_group: logs.ILogGroup = logs.LogGroup(
            self,
            "Logs",
            # Step Functions writes the names of its log groups into one resource policy of limited size; those with
            # this prefix are left out of it.
            log_group_name=f"/aws/vendedlogs/states/{Names.unique_resource_name(self, max_length=200)}",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        functions = [function for step in steps for function in (step.action, step.compensation) if function]
        self._own_roles = {function.role.node.path for function in functions if function.role}
        role = _role(self, functions, self.failed_compensations)
        self.role: iam.IRole = role
        self.state_machine: sfn.IStateMachine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_chainable(
                compile_saga(
                    Construct(self, "States"),
                    steps,
                    retries=retries,
                    compensation_retries=compensation_retries,
                    failed_compensations=self.failed_compensations,
                )
            ),
            query_language=sfn.QueryLanguage.JSONATA,
            # What CDK would add is wider than needed: every version and alias of every function.
            role=role.without_policy_updates(),
            timeout=_timeout(timeout, steps, retries, compensation_retries),
            tracing_enabled=True,
            # Payloads stay out of the logs; the execution history has them, under its own permissions.
            logs=sfn.LogOptions(destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        self._add_alarms()

    def _add_alarms(self) -> None:
        self.failed_alarm = self._alarm("FailedAlarm", self.metric_failed(), "An execution failed.")
        self.timed_out_alarm = self._alarm(
            "TimedOutAlarm", self.metric_timed_out(), "An execution ran out of time; nothing was undone."
        )
        self.aborted_alarm = self._alarm(
            "AbortedAlarm", self.metric_aborted(), "An execution was stopped by hand; nothing was undone."
        )
        self.alarms: tuple[cloudwatch.Alarm, ...] = (self.failed_alarm, self.timed_out_alarm, self.aborted_alarm)
        self.compensation_alarm: cloudwatch.Alarm | None = None
        if self.failed_compensations:
            self.compensation_alarm = self._alarm(
                "CompensationAlarm",
                self.failed_compensations.metric_approximate_number_of_messages_visible(
                    period=_PERIOD, statistic="Maximum"
                ),
                "Something could not be undone; its record waits in the queue.",
            )
            self.alarms = (*self.alarms, self.compensation_alarm)

    def _alarm(self, id: str, metric: cloudwatch.IMetric, what: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=f"Saga {self.node.id}: {what}",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # These metrics have data points only when there is something to count, and a queue nobody used has none.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* start executions."""
        return self.state_machine.grant_start_execution(grantee)

    def grant_task_response(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* answer steps that wait for a callback; it may be a function of the saga itself."""
        principal = grantee.grant_principal
        if not isinstance(principal, iam.Role) or principal.node.path not in self._own_roles:
            return self.state_machine.grant_task_response(grantee)
        # A function waits for its role's own policy, and the state machine for the function: in that policy the right
        # would close a circle. In one of its own, which no function waits for, it does not.
        policy = iam.Policy(self, f"Answers{Names.node_unique_id(principal.node)}", roles=[principal])
        return self.state_machine.grant_task_response(policy)

    def metric_started(self) -> cloudwatch.Metric:
        """Executions started. Sum over 5 minutes."""
        return self.state_machine.metric_started(period=_PERIOD, statistic="Sum")

    def metric_succeeded(self) -> cloudwatch.Metric:
        """Executions that did all they should. Sum over 5 minutes."""
        return self.state_machine.metric_succeeded(period=_PERIOD, statistic="Sum")

    def metric_failed(self) -> cloudwatch.Metric:
        """Executions that failed, rolled back or not. Sum over 5 minutes."""
        return self.state_machine.metric_failed(period=_PERIOD, statistic="Sum")

    def metric_timed_out(self) -> cloudwatch.Metric:
        """Executions that ran into the timeout. Sum over 5 minutes."""
        return self.state_machine.metric_timed_out(period=_PERIOD, statistic="Sum")

    def metric_aborted(self) -> cloudwatch.Metric:
        """Executions that were stopped by hand. Sum over 5 minutes."""
        return self.state_machine.metric_aborted(period=_PERIOD, statistic="Sum")


def _timeout(
    given: Duration | None, steps: Sequence[SagaStep], retries: Retries, compensation_retries: Retries
) -> Duration:
    durations = [given, *(step.callback_timeout for step in steps), *(step.wait for step in steps)]
    if any(duration is not None and duration.is_unresolved() for duration in durations):
        return given or Duration.days(30)
    longest = Duration.seconds(longest_run_seconds(steps, retries, compensation_retries))
    if longest.to_seconds() >= _LONGEST_EXECUTION.to_seconds():
        raise ValueError(
            f"steps can take {in_words(longest)} with all retries, but an execution must end within "
            f"{in_words(_LONGEST_EXECUTION)}; shorten callback_timeout or wait, or lower max_attempts"
        )
    if given is None:
        return Duration.days(max(30, longest.to_days(integral=False) // 1 + 1))
    duration_between(
        "timeout", given, Duration.seconds(1), _LONGEST_EXECUTION, way_out="leave it out for one that fits the steps"
    )
    if given.to_seconds() <= longest.to_seconds():
        raise ValueError(
            f"timeout must be longer than the steps can take with all retries and compensations, "
            f"{in_words(longest)}, got {in_words(given)}; an execution that runs out of time is not compensated: "
            "raise timeout, shorten callback_timeout or wait, or lower max_attempts"
        )
    return given


def _queue(scope: Construct) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        "FailedCompensations",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        # The longest SQS has; the alarm stays on as long as a record is there.
        retention_period=Duration.days(14),
        removal_policy=RemovalPolicy.RETAIN,
    )
    for rule in ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"):
        Validations.of(queue).acknowledge(
            Acknowledgment(id=rule, reason="It is itself where failed work is kept; nothing consumes it automatically.")
        )
    return queue


def _role(
    scope: Construct, functions: Sequence[lambda_.IFunction], failed_compensations: sqs.IQueue | None
) -> iam.Role:
    statements = [
        iam.PolicyStatement(
            actions=["lambda:InvokeFunction"],
            resources=list(dict.fromkeys(function.function_arn for function in functions)),
        ),
        iam.PolicyStatement(
            # What delivery of logs takes (Step Functions developer guide, "Logging using CloudWatch Logs").
            actions=[
                "logs:CreateLogDelivery",
                "logs:GetLogDelivery",
                "logs:UpdateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:DescribeResourcePolicies",
                "logs:DescribeLogGroups",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=[
                "xray:PutTraceSegments",
                "xray:PutTelemetryRecords",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
            ],
            resources=["*"],
        ),
    ]
    if failed_compensations:
        statements.append(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[failed_compensations.queue_arn]))
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        # Inline, so that the role is complete before the state machine is made.
        inline_policies={"Saga": iam.PolicyDocument(statements=statements)},
    )
    Validations.of(cast("Construct", role.node.default_child)).acknowledge(
        Acknowledgment(
            id="AwsSolutions-IAM5[Resource::*]",
            reason="Log delivery and X-Ray have no resources to name: their actions can be granted on * only.",
        )
    )
    return role
