"""What a saga's template promises; how it runs is in test_saga_paths.py."""

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.saga_state_machine import SagaStateMachine, SagaStep
from tests.support.sagas import definitions, function, step
from tests.support.synthesis import new_stack, only, resources

ARN = "arn:aws:lambda:eu-west-1:111111111111:function:"


def saga(scope: Construct, **options: Any) -> SagaStateMachine:
    """A saga of one step with a compensation and one that waits for an answer."""
    steps = [step(scope, "reserve"), step(scope, "approve", compensated=False, callback_timeout=Duration.hours(2))]
    return SagaStateMachine(scope, "Order", steps=options.pop("steps", steps), **options)


def only_definition(stack: cdk.Stack) -> dict[str, Any]:
    (definition,) = definitions(stack).values()
    return definition


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    saga(stack)
    return stack


@pytest.fixture(scope="module")
def states(stack: cdk.Stack) -> dict[str, Any]:
    states: dict[str, Any] = only_definition(stack)["States"]
    return states


@pytest.fixture(scope="module")
def tasks(states: dict[str, Any]) -> dict[str, Any]:
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


@pytest.mark.requirement("ORC-03")
def test_every_task_retries_with_full_jitter_and_an_end(tasks: dict[str, Any]) -> None:
    """Retries back off exponentially from 2 seconds, are capped at a minute, jittered fully, and bounded."""
    for name, task in tasks.items():
        policy = task["Retry"][-1]
        assert policy["ErrorEquals"] == ["States.ALL"], name
        assert policy["JitterStrategy"] == "FULL"
        assert (policy["IntervalSeconds"], policy["BackoffRate"], policy["MaxDelaySeconds"]) == (2, 2, 60)
    assert {name: task["Retry"][-1]["MaxAttempts"] for name, task in tasks.items()} == {
        "reserve": 3,
        "Repeat reserve": 3,
        "approve": 3,
        "Undo reserve": 7,
        "Record undo of reserve": 7,
    }


def test_nothing_a_task_can_report_goes_uncaught(tasks: dict[str, Any]) -> None:
    """Each task catches everything, and by name the error that States.ALL leaves out."""
    for name, task in tasks.items():
        caught = [error for catcher in task["Catch"] for error in catcher["ErrorEquals"]]
        assert "States.DataLimitExceeded" in caught, name
        assert caught[-1] == "States.ALL"


def test_every_task_has_a_time_limit(tasks: dict[str, Any]) -> None:
    """A callback is waited for as long as its step says; a function, a minute longer than any can run."""
    assert {name: task["TimeoutSeconds"] for name, task in tasks.items()} == {
        "reserve": 960,
        "Repeat reserve": 960,
        "approve": 7200,
        "Undo reserve": 960,
        "Record undo of reserve": 60,
    }


def test_names_of_states_stay_within_limits() -> None:
    """The longest name a step may have makes no state name longer than the 80 characters there are."""
    stack = new_stack()
    SagaStateMachine(stack, "Saga", steps=[step(stack, "x" * 50, wait=Duration.seconds(1), may_complete=True)] * 1)
    assert max(map(len, only_definition(stack)["States"])) <= 80


@pytest.mark.requirement("SEC-01")
def test_the_role_may_do_what_the_steps_need_and_no_more(stack: cdk.Stack) -> None:
    """It invokes the functions of the steps, not other versions of them, and records; the rest is logs and traces."""
    (policy,) = only(stack, "AWS::IAM::Role")["Policies"]
    granted = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert sorted(granted.pop("lambda:InvokeFunction")) == [
        f"{ARN}do-approve",
        f"{ARN}do-reserve",
        f"{ARN}undo-reserve",
    ]
    (queue,) = resources(stack, "AWS::SQS::Queue")
    assert granted.pop("sqs:SendMessage") == {"Fn::GetAtt": [queue, "Arn"]}
    assert {action.partition(":")[0] for action in granted} == {"logs", "xray"}
    assert resources(stack, "AWS::IAM::Policy") == {}


def test_executions_are_traced_and_logged_without_their_payloads(stack: cdk.Stack) -> None:
    """Every event is logged for a month and every execution traced; what they are about stays out of the logs."""
    machine = only(stack, "AWS::StepFunctions::StateMachine")
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    log_group = only(stack, "AWS::Logs::LogGroup")
    assert log_group["RetentionInDays"] == 30
    assert log_group["LogGroupName"].startswith("/aws/vendedlogs/states/")


def test_it_can_run_for_days(stack: cdk.Stack) -> None:
    """It is of the type that runs up to a year and runs each step once, and ends after 30 days by default."""
    machine = only(stack, "AWS::StepFunctions::StateMachine")
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    assert only_definition(stack)["TimeoutSeconds"] == Duration.days(30).to_seconds()


@pytest.mark.requirement("SEC-02", "LIB-07")
def test_records_of_failed_compensations_are_kept_safe(stack: cdk.Stack) -> None:
    """They are encrypted at rest and in transit, live as long as SQS allows, and outlive the stack."""
    ((queue_id, queue),) = resources(stack, "AWS::SQS::Queue").items()
    assert queue["Properties"]["SqsManagedSseEnabled"] is True
    assert queue["Properties"]["MessageRetentionPeriod"] == Duration.days(14).to_seconds()
    assert queue["DeletionPolicy"] == queue["UpdateReplacePolicy"] == "Retain"
    policy = only(stack, "AWS::SQS::QueuePolicy")
    assert policy["Queues"] == [{"Ref": queue_id}]
    assert json.dumps(policy).count('{"aws:SecureTransport": "false"}') == 1


def test_every_end_without_success_wakes_someone(stack: cdk.Stack) -> None:
    """Failed, out of time, stopped, and not undone: each has an alarm on the metric of this very saga."""
    (machine,) = resources(stack, "AWS::StepFunctions::StateMachine")
    (queue,) = resources(stack, "AWS::SQS::Queue")
    watched = {}
    for alarm in resources(stack, "AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        watched[properties["Namespace"], properties["MetricName"], properties["Statistic"]] = properties["Dimensions"]
        assert (properties["Threshold"], properties["EvaluationPeriods"]) == (1, 1)
        assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert properties["TreatMissingData"] == "notBreaching"
    of_machine = [{"Name": "StateMachineArn", "Value": {"Ref": machine}}]
    of_queue = [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]
    assert watched == {
        ("AWS/States", "ExecutionsFailed", "Sum"): of_machine,
        ("AWS/States", "ExecutionsTimedOut", "Sum"): of_machine,
        ("AWS/States", "ExecutionsAborted", "Sum"): of_machine,
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"): of_queue,
    }


def test_without_compensations_there_is_no_queue_and_no_alarm_that_nothing_could_fire() -> None:
    """A saga that has nothing to undo keeps no records of what could not be undone."""
    stack = new_stack()
    made = saga(stack, steps=[step(stack, "only", compensated=False)])
    assert made.failed_compensations is None
    assert made.compensation_alarm is None
    assert len(made.alarms) == len(resources(stack, "AWS::CloudWatch::Alarm")) == 3
    assert resources(stack, "AWS::SQS::Queue") == {}


def test_alarms_holds_every_alarm() -> None:
    """Whoever wires `alarms` to a topic has wired them all."""
    stack = new_stack()
    assert len(saga(stack).alarms) == len(resources(stack, "AWS::CloudWatch::Alarm")) == 4


class TestGrants:
    """Who may start and answer."""

    def made(self, stack: cdk.Stack, name: str) -> lambda_.Function:
        return lambda_.Function(
            stack,
            name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handle",
            code=lambda_.Code.from_inline("def handle(event, context): ..."),
        )

    def actions(self, stack: cdk.Stack, function: lambda_.Function) -> dict[str, Any]:
        """What policies let *function* do, by action."""
        assert function.role is not None
        role = stack.resolve(function.role.role_name)
        return {
            action: statement["Resource"]
            for policy in resources(stack, "AWS::IAM::Policy").values()
            if role in policy["Properties"]["Roles"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        }

    def test_a_starter_may_start_this_saga_only(self) -> None:
        """The right to start names the state machine."""
        stack = new_stack()
        starter = self.made(stack, "Starter")
        saga(stack).grant_start(starter)
        (machine,) = resources(stack, "AWS::StepFunctions::StateMachine")
        assert self.actions(stack, starter) == {"states:StartExecution": {"Ref": machine}}

    @pytest.mark.parametrize("who", ["another function", "the action itself"])
    def test_a_function_may_answer_callbacks(self, who: str) -> None:
        """Also one that is an action of the saga, without a circle between the two."""
        stack = new_stack()
        action, other = self.made(stack, "Action"), self.made(stack, "Other")
        made = SagaStateMachine(
            stack, "Saga", steps=[SagaStep(name="ask", action=action, callback_timeout=Duration.hours(1))]
        )
        grantee = other if who == "another function" else action
        made.grant_task_response(grantee)
        (machine,) = resources(stack, "AWS::StepFunctions::StateMachine")
        answer = ("states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat")
        assert self.actions(stack, grantee) == {action: {"Ref": machine} for action in answer}


def test_metrics_are_those_of_this_saga() -> None:
    """Each metric method names the Step Functions metric it stands for."""
    stack = new_stack()
    made = saga(stack)
    metrics = [made.metric_started(), made.metric_succeeded(), made.metric_failed()]
    metrics += [made.metric_timed_out(), made.metric_aborted()]
    assert [metric.metric_name for metric in metrics] == [
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
    ]
    assert {metric.namespace for metric in metrics} == {"AWS/States"}
    assert {metric.statistic for metric in metrics} == {"Sum"}


LONG = {"callback_timeout": Duration.days(7)}

REFUSED: dict[str, tuple[Callable[[cdk.Stack], dict[str, Any]], list[str]]] = {
    "no step": (lambda stack: {"steps": []}, ["steps", "1 to 100 SagaSteps", "got 0"]),
    "more steps than an execution has events for": (
        lambda stack: {"steps": [step(stack, f"s{index}") for index in range(101)]},
        ["steps", "1 to 100 SagaSteps", "got 101"],
    ),
    "a name twice": (lambda stack: {"steps": [step(stack, "a"), step(stack, "a")]}, ["steps", "'a' twice"]),
    "a name with a space": (lambda stack: {"steps": [step(stack, "a b")]}, ["SagaStep.name", "'a b'", "letter"]),
    "a name too long": (lambda stack: {"steps": [step(stack, "a" * 51)]}, ["SagaStep.name", "49"]),
    "no wait": (
        lambda stack: {"steps": [step(stack, "a", wait=Duration.seconds(0))]},
        ["wait of step 'a'", "1 second and 365 days", "leave it out"],
    ),
    "no time to answer": (
        lambda stack: {"steps": [step(stack, "a", callback_timeout=Duration.days(366))]},
        ["callback_timeout of step 'a'", "366 days"],
    ),
    "no attempt": (lambda stack: {"max_attempts": 0}, ["max_attempts", "1 and 10", "got 0"]),
    "too many attempts": (
        lambda stack: {"compensation_max_attempts": 21},
        ["compensation_max_attempts", "1 and 20", "got 21"],
    ),
    "a timeout the steps can reach": (
        lambda stack: {"steps": [step(stack, "a", compensated=False, **LONG)], "timeout": Duration.days(28)},
        # Four attempts of seven days, and 2 + 4 + 8 seconds between them.
        ["timeout", "2419214 seconds", "28 days", "raise timeout"],
    ),
    "steps that take more than a year": (
        lambda stack: {"steps": [step(stack, "a", callback_timeout=Duration.days(92))]},
        ["steps", "365 days", "shorten"],
    ),
    "a timeout of more than a year": (lambda stack: {"timeout": Duration.days(366)}, ["timeout", "366 days"]),
    "attempts unknown at synth": (
        lambda stack: {"max_attempts": cdk.Token.as_number({"Ref": "Attempts"})},
        ["max_attempts", "known at synth"],
    ),
    "a name unknown at synth": (
        lambda stack: {"steps": [SagaStep(name=cdk.Token.as_string({"Ref": "Name"}), action=function(stack, "x"))]},
        ["SagaStep.name", "known at synth"],
    ),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str) -> None:
    """The error names the option, what was given, what is allowed and the way out."""
    options, words = REFUSED[case]
    stack = new_stack()
    with pytest.raises(ValueError, match=words[0]) as refused:
        saga(stack, **options(stack))
    for word in words:
        assert word in str(refused.value)


def test_the_default_timeout_leaves_time_for_the_steps() -> None:
    """Steps that can take more than 30 days get the time they can take."""
    stack = new_stack()
    saga(stack, steps=[step(stack, "a", compensated=False, callback_timeout=Duration.days(10))])
    assert only_definition(stack)["TimeoutSeconds"] == Duration.days(41).to_seconds()


def test_durations_that_are_resolved_later_are_passed_on_unread() -> None:
    """A deploy-time parameter may set how long to wait and how long all may take."""
    stack = new_stack()
    parameter = cdk.CfnParameter(stack, "Seconds", type="Number")
    later = Duration.seconds(parameter.value_as_number)
    saga(stack, steps=[step(stack, "a", wait=later, callback_timeout=later)], timeout=later)
    text = only(stack, "AWS::StepFunctions::StateMachine")["DefinitionString"]
    assert json.dumps(text).count('{"Ref": "Seconds"}') == 4


@pytest.mark.requirement("LIB-05")
def test_inner_resources_can_be_changed_after_the_fact() -> None:
    """Whatever an option does not cover is reached through the public parts."""
    stack = new_stack()
    made = saga(stack)
    made.failed_alarm.node.default_child.threshold = 5  # type: ignore[union-attr]  # a CfnAlarm
    made.log_group.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    assert [log["DeletionPolicy"] for log in resources(stack, "AWS::Logs::LogGroup").values()] == ["Retain"]
    thresholds = [alarm["Properties"]["Threshold"] for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()]
    assert sorted(thresholds) == [1, 1, 1, 5]
