"""What a saga is made of, and what a step may say."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration, Token
from aws_cdk import aws_lambda as lambda_

from constructs_lib._checks import distinct, duration_between, matches

# A state's name has at most 80 characters, and "Pause before repeating " comes before a step's name in one of them.
_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,49}"


# An execution ends, uncompensated, at 25,000 events of history (service quotas). With every attempt that the options
# allow used up, a step takes under 200: three per attempt, two per state.
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaStep:
    """One step of a saga: what to do, and how to undo it.

    *action* is invoked with `{"step", "execution", "input", "results"}`: the step's name, the execution's id, what the
    saga was started with, and the results of the steps before by name. What it returns becomes `results.<name>`. An
    action may run more than once for one execution, so its effect must be idempotent under `execution` and `step`; one
    that raises says that it left nothing behind that needs undoing.

    *compensation* is invoked with the same and `error`, the `{"Error", "Cause"}` that made the saga turn back; causes
    are cut after 8,192 characters. Its `results` hold those of all finished steps, its own among them. Where the
    outcome of the action is unknown (it timed out, or crashed) there is no own result, and perhaps nothing to undo: a
    compensation must accept that.

    Args:
        name: Letters, digits, `_` and `-`, at most 50, a letter first; unique in the saga, and part of its history.
        action: Function that does the step.
        compensation: Function that undoes it. Default: nothing needs to be undone.
        callback_timeout:
            Makes the step wait for an answer from outside, at most this long per attempt, 1 second to 365 days. The
            action then also gets `task_token`, and the answer is sent with `SendTaskSuccess` (its output becomes the
            result) or `SendTaskFailure`. Default: the step is done when its action returns.
        wait: Pause before the action, 1 second to 365 days. Default: none.
        may_complete:
            Whether a result with `"complete": true` ends the saga there, successfully. Default: False.
    """

    name: str
    action: lambda_.IFunction
    compensation: lambda_.IFunction | None = None
    callback_timeout: Duration | None = None
    wait: Duration | None = None
    may_complete: bool = False


def check_steps(steps: Sequence[SagaStep]) -> None:
    """Refuse steps that make no saga.

    Raises:
        ValueError: If there are none or too many, two share a name, or an option of one is out of range.
    """
    if not 1 <= len(steps) <= _MOST_STEPS:
        raise ValueError(
            f"steps must hold 1 to {_MOST_STEPS} SagaSteps, got {len(steps)}; let the last step of a longer saga start "
            "another one"
        )
    for step in steps:
        if Token.is_unresolved(step.name):
            raise ValueError("SagaStep.name must be known at synth, got a value that CDK resolves later; write it out")
        matches(
            "SagaStep.name",
            step.name,
            _NAME,
            allowed="a letter, then at most 49 letters, digits, '_' or '-'",
            way_out="name the step by one short word; its result is found at results.<name>",
        )
        for option, value in (("callback_timeout", step.callback_timeout), ("wait", step.wait)):
            if value is not None:
                duration_between(
                    f"{option} of step {step.name!r}",
                    value,
                    Duration.seconds(1),
                    Duration.days(365),
                    way_out="leave it out for a step without one",
                )
    distinct("steps", (step.name for step in steps), way_out="give each step a name of its own")
