"""A list of steps compiled to states: a chain of actions, and beside it a chain of compensations in reverse.

The happy path is the actions alone: n steps enter n states, plus one for each `wait` and each `may_complete`.

Data lives in workflow variables (`results`, `error`, `failed_step`, `undone`, `undo_error`), and every expression is
one that cannot fail on any result: a state that fails without a catcher would end the execution uncompensated.

Facts on error names are from the Step Functions developer guide, "Handling errors": `States.ALL` matches neither
`States.DataLimitExceeded`, which can be caught by its own name, nor `States.Runtime`, which nothing can catch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from constructs_lib._saga_retries import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, Retries
from constructs_lib._saga_step import SagaStep

# How an execution ends that did not succeed.
ROLLED_BACK = "SagaRolledBack"
COMPENSATION_FAILED = "CompensationFailed"

# No function runs longer than 15 minutes; a task that has not answered after this long never will.
TASK_TIMEOUT = Duration.minutes(16)
_RECORD_TIMEOUT = Duration.minutes(1)

# What a Python function raises to say that another try cannot help: the class name is the error's name.
_PERMANENT = "PermanentFailure"
# Whether the function did its work is not known: it was cut off, it died, or its answer was lost.
_UNKNOWN_OUTCOME = (
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Lambda.Unknown",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
)
# The work may be done, but what it returned is too large to keep; the same would happen again.
_RESULT_LOST = ("States.DataLimitExceeded", "States.QueryEvaluationError")

_LONGEST_CAUSE = 8192
_ERROR = {
    "Error": "{% '' & $states.errorOutput.Error %}",
    "Cause": f"{{% $substring('' & $states.errorOutput.Cause, 0, {_LONGEST_CAUSE}) %}}",
}
_WHY = "'Step ' & $failed_step & ' failed with ' & $error.Error & ': ' & $error.Cause"


def compile_saga(
    scope: Construct,
    steps: Sequence[SagaStep],
    *,
    retries: Retries,
    compensation_retries: Retries,
    failed_compensations: sqs.IQueue | None,
) -> sfn.IChainable:
    """Make the states of a saga within *scope* and return the first.

    Args:
        scope: Construct that owns the states and nothing else.
        steps: Checked steps, in order.
        retries: How an action is retried.
        compensation_retries: How a compensation, and the record of one that failed, is retried.
        failed_compensations: Where failed compensations are recorded; None where no step has one.
    """
    way_back = _compensations(scope, steps, compensation_retries, failed_compensations)
    completed = sfn.Succeed.jsonata(scope, "Completed early")
    following: sfn.IChainable | None = None
    for index in reversed(range(len(steps))):
        action = _Action(
            scope=scope,
            step=steps[index],
            first=index == 0,
            last=index == len(steps) - 1,
            retries=retries,
            undo_before=way_back[index],
            undo_self=way_back[index + 1],
            completed=completed,
        )
        following = action.compile(following)
    assert following is not None
    return following


def longest_run_seconds(steps: Sequence[SagaStep], retries: Retries, compensation_retries: Retries) -> float:
    """Longest time an execution can take, with every attempt at its limit and every compensation run.

    Raises:
        RuntimeError: If a duration is a token, as CDK raises it.
    """
    undo = compensation_retries.longest_seconds(TASK_TIMEOUT.to_seconds())
    record = compensation_retries.longest_seconds(_RECORD_TIMEOUT.to_seconds())
    total = 0.0
    for step in steps:
        attempts = retries.longest_seconds((step.callback_timeout or TASK_TIMEOUT).to_seconds())
        total += (step.wait or Duration.seconds(0)).to_seconds() + attempts
        if step.compensation:
            total += LONGEST_PAUSE_SECONDS + attempts + undo + record
    return total


def _compensations(
    scope: Construct, steps: Sequence[SagaStep], retries: Retries, failed_compensations: sqs.IQueue | None
) -> list[sfn.IChainable]:
    """States that undo the first 0, 1, ... n steps and then fail."""
    state: sfn.IChainable = sfn.Fail.jsonata(scope, "Rolled back", error=ROLLED_BACK, cause=f"{{% {_WHY} %}}")
    if failed_compensations:
        not_undone = sfn.Fail.jsonata(
            scope,
            "Compensation failed",
            error=COMPENSATION_FAILED,
            cause=f"{{% {_WHY} & '; not everything could be undone' %}}",
        )
        state = (
            sfn.Choice.jsonata(scope, "Is everything undone")
            .when(sfn.Condition.jsonata("{% $undone %}"), state)
            .otherwise(not_undone)
        )
    way_back = [state]
    for step in steps:
        if step.compensation and failed_compensations:
            state = _compensation(scope, step, step.compensation, retries, failed_compensations, then=state)
        way_back.append(state)
    return way_back


def _compensation(
    scope: Construct,
    step: SagaStep,
    compensation: lambda_.IFunction,
    retries: Retries,
    failed_compensations: sqs.IQueue,
    *,
    then: sfn.IChainable,
) -> sfn.IChainable:
    """Undo one step; what cannot be undone is recorded, and the others are still undone."""
    payload = {**_payload(step), "results": "{% $results %}", "error": "{% $error %}"}
    undo = tasks.LambdaInvoke.jsonata(
        scope,
        f"Undo {step.name}",
        lambda_function=compensation,
        payload=sfn.TaskInput.from_object(payload),
        payload_response_only=True,
        retry_on_service_exceptions=False,
        task_timeout=sfn.Timeout.duration(TASK_TIMEOUT),
    )
    record = tasks.SqsSendMessage.jsonata(
        scope,
        f"Record undo of {step.name}",
        queue=failed_compensations,
        message_body=sfn.TaskInput.from_object(
            {"function": compensation.function_arn, "payload": payload, "error": "{% $undo_error %}"}
        ),
        task_timeout=sfn.Timeout.duration(_RECORD_TIMEOUT),
    )
    retries.apply(undo, never=(_PERMANENT, *_RESULT_LOST))
    retries.apply(record)
    for errors in (list(_RESULT_LOST), [sfn.Errors.ALL]):
        undo.add_catch(record, errors=errors, assign={"undone": False, "undo_error": _ERROR})
        # Without a record the execution's own history and the alarm on failed executions remain.
        record.add_catch(then, errors=errors)
    undo.next(then)
    record.next(then)
    return undo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    """Compiles the action of one step."""

    scope: Construct
    step: SagaStep
    first: bool
    last: bool
    retries: Retries
    undo_before: sfn.IChainable
    undo_self: sfn.IChainable
    completed: sfn.IChainable

    def compile(self, following: sfn.IChainable | None) -> sfn.IChainable:
        """Make the states of this step, which lead to *following*, and return the first."""
        step, name = self.step, self.step.name
        if following and step.may_complete:
            following = (
                sfn.Choice.jsonata(self.scope, f"Is saga complete after {name}")
                .when(
                    sfn.Condition.jsonata("{% $type($states.input) = 'object' and $states.input.complete = true %}"),
                    self.completed,
                    outputs={"results": "{% $results %}"},
                )
                .otherwise(following)
            )
        action = self._task(name)
        if step.compensation:
            self._leave_unknown_open(action, following)
        else:
            self.retries.apply(action, never=self._final)
            self._catch(action, _RESULT_LOST, self.undo_before)
            self._catch(action, [sfn.Errors.ALL], self.undo_before)
        if following:
            action.next(following)
        if not step.wait:
            return action
        return sfn.Wait.jsonata(self.scope, f"Wait before {name}", time=sfn.WaitTime.duration(step.wait)).next(action)

    def _leave_unknown_open(self, action: sfn.TaskStateBase, following: sfn.IChainable | None) -> None:
        """From the first unknown outcome on, the step itself needs undoing, whatever a later attempt says.

        A retrier cannot remember an earlier error, so the attempts after it are a state of their own.
        """
        name = self.step.name
        repeat = self._task(f"Repeat {name}")
        pause = sfn.Wait.jsonata(self.scope, f"Pause before repeating {name}", time=sfn.WaitTime.seconds(PAUSE_SECONDS))
        pause.next(repeat)
        if following:
            repeat.next(following)
        repeatable = [error for error in self._unknown if error not in self._final]
        self.retries.apply(action, never=(*self._final, *repeatable))
        action.add_catch(pause, errors=repeatable)
        self._catch(action, [error for error in self._final if error != _PERMANENT], self.undo_self)
        self._catch(action, [sfn.Errors.ALL], self.undo_before)
        self.retries.apply(repeat, never=self._final)
        self._catch(repeat, _RESULT_LOST, self.undo_self)
        self._catch(repeat, [sfn.Errors.ALL], self.undo_self)

    @property
    def _unknown(self) -> tuple[str, ...]:
        return (sfn.Errors.TIMEOUT, *_UNKNOWN_OUTCOME)

    @property
    def _final(self) -> tuple[str, ...]:
        """Errors after which the action is not tried again; an answer is not asked for twice."""
        timeout = (sfn.Errors.TIMEOUT,) if self.step.callback_timeout else ()
        return (_PERMANENT, *_RESULT_LOST, *timeout)

    def _catch(self, action: sfn.TaskStateBase, errors: Sequence[str], then: sfn.IChainable) -> None:
        assign = {"error": _ERROR, "failed_step": self.step.name, "undone": True}
        if self.first:
            assign["results"] = {}
        action.add_catch(then, errors=list(errors), assign=assign)

    def _task(self, id: str) -> sfn.TaskStateBase:
        step = self.step
        payload = {**_payload(step), "results": {} if self.first else "{% $results %}"}
        results = self._results()
        outputs = {"results": results} if self.last else None
        if step.callback_timeout is None:
            return tasks.LambdaInvoke.jsonata(
                self.scope,
                id,
                lambda_function=step.action,
                payload=sfn.TaskInput.from_object(payload),
                payload_response_only=True,
                retry_on_service_exceptions=False,
                task_timeout=sfn.Timeout.duration(TASK_TIMEOUT),
                assign={"results": results},
                outputs=outputs,
            )
        return tasks.LambdaInvoke.jsonata(
            self.scope,
            id,
            lambda_function=step.action,
            payload=sfn.TaskInput.from_object({**payload, "task_token": "{% $states.context.Task.Token %}"}),
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(step.callback_timeout),
            assign={"results": results},
            outputs=outputs,
        )

    def _results(self) -> Mapping[str, str] | str:
        """Expression for the results so far, this step's included."""
        if self.first:
            return {self.step.name: "{% $states.result %}"}
        return f"{{% $merge([$results, {{{json.dumps(self.step.name)}: $states.result}}]) %}}"


def _payload(step: SagaStep) -> dict[str, object]:
    return {
        "step": step.name,
        "execution": "{% $states.context.Execution.Id %}",
        "input": "{% $states.context.Execution.Input %}",
    }
