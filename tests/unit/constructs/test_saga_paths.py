"""Every way a saga can go, executed: each kind of failure at each step, and each compensation failing or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import pytest
from aws_cdk import Duration

from constructs_lib.saga_state_machine import SagaStateMachine
from tests.support.asl import Run, run
from tests.support.sagas import World, definitions, step
from tests.support.synthesis import new_stack

NAMES = ("a", "b", "c")
ATTEMPTS = 3
COMPENSATION_ATTEMPTS = 2
START = {"order": 7}


@dataclass(frozen=True)
class Shape:
    """Which steps have compensations, and whether all wait for callbacks."""

    compensated: frozenset[str]
    callback: bool

    def __str__(self) -> str:
        return f"{'callback' if self.callback else 'plain'}-{''.join(sorted(self.compensated)) or 'none'}"


@dataclass(frozen=True)
class Failure:
    """What an action does at its attempts, and what the saga must make of it.

    Args:
        errors: What happens at each attempt; the last goes on for ever.
        attempts: How often the action runs, by (has a compensation, waits for a callback).
        unknown: Whether the step's outcome is unknown in the end, by the same.
    """

    errors: tuple[str, ...]
    attempts: dict[tuple[bool, bool], int]
    unknown: dict[tuple[bool, bool], bool]


def failure(
    *errors: str, attempts: int, again: int | None = None, unknown: bool = False, callback: int | None = None
) -> Failure:
    """A failure; *again* is the attempts of a step with a compensation, *callback* those of one that is waited for."""
    counts = {(False, False): attempts, (True, False): again or attempts}
    return Failure(
        errors,
        {**counts, **{(compensated, True): callback or counts[compensated, False] for compensated in (False, True)}},
        dict.fromkeys(((False, False), (True, False), (False, True), (True, True)), unknown),
    )


FAILURES = {
    "error": failure("ValueError", attempts=ATTEMPTS),
    "throttled": failure("Lambda.TooManyRequestsException", attempts=ATTEMPTS),
    "permanent": failure("PermanentFailure", attempts=1),
    "error, then permanent": failure("ValueError", "PermanentFailure", attempts=2),
    "function timed out": failure("Sandbox.Timedout", attempts=ATTEMPTS, again=1 + ATTEMPTS, unknown=True),
    "function died": failure("Runtime.ExitError", attempts=ATTEMPTS, again=1 + ATTEMPTS, unknown=True),
    "service broke off": failure("Lambda.ServiceException", attempts=ATTEMPTS, again=1 + ATTEMPTS, unknown=True),
    "no answer": failure("States.Timeout", attempts=ATTEMPTS, again=1 + ATTEMPTS, unknown=True, callback=1),
    "result too large": failure("oversize", attempts=1, unknown=True),
    "timed out, then permanent": failure("Sandbox.Timedout", "PermanentFailure", attempts=2, unknown=True),
    "timed out, then result too large": failure("Sandbox.Timedout", "oversize", attempts=2, unknown=True),
    "error, timed out, then error": failure(
        "ValueError", "Sandbox.Timedout", "ValueError", attempts=ATTEMPTS, again=2 + ATTEMPTS, unknown=True
    ),
}

SHAPES = [
    Shape(frozenset(compensated), callback)
    for callback in (False, True)
    for compensated in chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1))
]


@pytest.fixture(scope="module")
def compiled() -> dict[Shape, dict[str, Any]]:
    stack = new_stack()
    for index, shape in enumerate(SHAPES):
        SagaStateMachine(
            stack,
            f"Saga{index:02}",
            steps=[
                step(
                    stack,
                    name,
                    compensated=name in shape.compensated,
                    callback_timeout=Duration.hours(1) if shape.callback else None,
                )
                for name in NAMES
            ],
            max_attempts=ATTEMPTS,
            compensation_max_attempts=COMPENSATION_ATTEMPTS,
        )
    found = definitions(stack)
    return {shape: found[key] for shape, key in zip(SHAPES, sorted(found), strict=True)}


def undone(shape: Shape, failed: str, failing: Failure) -> list[str]:
    """Steps to undo, in order: the finished ones in reverse, after the failed one if its outcome is unknown."""
    finished = NAMES[: NAMES.index(failed)]
    maybe = (failed,) if failing.unknown[failed in shape.compensated, shape.callback] else ()
    return [name for name in reversed((*finished, *maybe)) if name in shape.compensated]


def subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))


def ways_a_compensation_fails() -> list[tuple[str, int]]:
    """Error, and how often the compensation then runs."""
    again = COMPENSATION_ATTEMPTS
    return [("ValueError", again), ("PermanentFailure", 1), ("States.Timeout", again), ("oversize", 1)]


@pytest.mark.requirement("ORC-01", "ORC-02", "ORC-03")
@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_failure_undoes_what_was_done_in_reverse(
    shape: Shape, kind: str, compiled: dict[Shape, dict[str, Any]]
) -> None:
    """Whatever fails where: finished steps are undone last first, whichever compensations fail, and none is left out."""
    failing = FAILURES[kind]
    for failed in NAMES:
        happened = [f"do {name}" for name in NAMES[: NAMES.index(failed)]]
        happened += [f"do {failed}"] * failing.attempts[failed in shape.compensated, shape.callback]
        to_undo = undone(shape, failed, failing)
        for stuck in subsets(to_undo):
            for error, times in ways_a_compensation_fails()[: None if stuck else 1]:
                world = World({f"do {failed}": failing.errors, **{f"undo {name}": [error] for name in stuck}})
                ended = run(compiled[shape], START, world.invoke)

                expected = list(happened)
                for name in to_undo:
                    expected += [f"undo {name}"] * times + [f"record {name}"] if name in stuck else [f"undo {name}"]
                assert world.calls == expected, (failed, stuck, error)
                assert ended.status == "FAILED"
                assert ended.error == ("CompensationFailed" if stuck else "SagaRolledBack")
                assert f"Step {failed} failed" in ended.cause
                assert [record["payload"]["step"] for record in world.records] == list(stuck_in_order(to_undo, stuck))


def stuck_in_order(to_undo: list[str], stuck: tuple[str, ...]) -> Iterator[str]:
    return (name for name in to_undo if name in stuck)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_steps_that_recover_let_the_saga_succeed(shape: Shape, compiled: dict[Shape, dict[str, Any]]) -> None:
    """A step that fails and then works, knowingly or not, is done; nothing is undone."""
    for name in NAMES:
        for errors in (["ValueError", "ok"], ["Sandbox.Timedout", "ok"], ["Lambda.ServiceException", "ok"]):
            world = World({f"do {name}": errors})
            ended = run(compiled[shape], START, world.invoke)
            assert ended.status == "SUCCEEDED"
            assert ended.output == {"results": {each: {"by": each} for each in NAMES}}
            assert world.calls == [f"do {each}" for each in NAMES for _ in range(2 if each == name else 1)]


@pytest.mark.requirement("ORC-02")
def test_a_record_that_cannot_be_written_stops_no_compensation(compiled: dict[Shape, dict[str, Any]]) -> None:
    """Even with the queue away, the remaining steps are undone and the failure stays distinct."""
    world = World({"do c": ["PermanentFailure"], "undo b": ["PermanentFailure"], "record b": ["SQS.Unavailable"]})
    ended = run(compiled[Shape(frozenset(NAMES), callback=False)], START, world.invoke)
    assert world.calls == ["do a", "do b", "do c", "undo b", "record b", "record b", "undo a"]
    assert (ended.status, ended.error) == ("FAILED", "CompensationFailed")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_n_steps_cost_n_transitions(shape: Shape, compiled: dict[Shape, dict[str, Any]]) -> None:
    """A saga that succeeds enters one state per step, in order."""
    ended = run(compiled[shape], START, World().invoke)
    assert ended.states == list(NAMES)


def test_functions_are_told_what_they_need(compiled: dict[Shape, dict[str, Any]]) -> None:
    """An action gets the results before it; a compensation gets all results, its own too, and the error."""
    world = World({"do c": ["ValueError"], "undo a": ["PermanentFailure"]}, results={"a": None, "b": [{"id": 1}]})
    run(compiled[Shape(frozenset(NAMES), callback=False)], START, world.invoke, execution="run-9")
    always = {"execution": "run-9", "input": START}
    error = {"Error": "ValueError", "Cause": "do c failed"}
    results = {"a": None, "b": [{"id": 1}]}
    assert world.payloads["do a"] == {"step": "a", **always, "results": {}}
    assert world.payloads["do b"] == {"step": "b", **always, "results": {"a": None}}
    assert world.payloads["do c"] == {"step": "c", **always, "results": results}
    assert world.payloads["undo b"] == {"step": "b", **always, "results": results, "error": error}
    assert world.records == [
        {
            "function": "arn:aws:lambda:eu-west-1:111111111111:function:undo-a",
            "payload": {"step": "a", **always, "results": results, "error": error},
            "error": {"Error": "PermanentFailure", "Cause": "undo a failed"},
        }
    ]


def test_a_callback_step_gets_a_fresh_token_per_attempt(compiled: dict[Shape, dict[str, Any]]) -> None:
    """The token of an attempt that is over answers nothing, so the next attempt is told another."""
    shape = Shape(frozenset(NAMES), callback=True)
    tokens = []

    def invoke(resource: str, arguments: Any) -> Any:
        tokens.append(arguments["Payload"]["task_token"])
        return world.invoke(resource, arguments)

    world = World({"do a": ["ValueError", "ok"]})
    run(compiled[shape], START, invoke)
    assert len(tokens) == len(set(tokens)) == 4


@pytest.mark.parametrize("result", [None, [], [1], "text", 0, False, {"nested": {"a": [None]}}])
def test_any_result_is_kept_as_it_is(result: Any, compiled: dict[Shape, dict[str, Any]]) -> None:
    """Whatever JSON a step returns reaches the next one unchanged."""
    world = World(results={"a": result})
    run(compiled[Shape(frozenset(), callback=False)], START, world.invoke)
    assert world.payloads["do b"]["results"] == {"a": result}


@pytest.mark.parametrize("start", [None, [], "text", {"results": {"a": "not mine"}}])
def test_any_start_input_is_passed_on_as_it_is(start: Any, compiled: dict[Shape, dict[str, Any]]) -> None:
    """What the saga is started with cannot be mistaken for its own data."""
    world = World({"do a": ["Sandbox.Timedout"]})
    run(compiled[Shape(frozenset(NAMES), callback=False)], start, world.invoke)
    assert world.payloads["undo a"]["input"] == start
    assert world.payloads["undo a"]["results"] == {}


def test_a_long_cause_is_cut(compiled: dict[Shape, dict[str, Any]]) -> None:
    """A stack trace of any length leaves room for what a compensation needs."""

    def invoke(resource: str, arguments: Any) -> Any:
        try:
            return world.invoke(resource, arguments)
        except Exception as error:
            error.cause = "x" * 40_000  # type: ignore[attr-defined]  # a TaskError
            raise

    world = World({"do b": ["PermanentFailure"]})
    run(compiled[Shape(frozenset(NAMES), callback=False)], START, invoke)
    assert world.payloads["undo a"]["error"] == {"Error": "PermanentFailure", "Cause": "x" * 8192}


@pytest.fixture(scope="module")
def patient() -> dict[str, Any]:
    stack = new_stack()
    SagaStateMachine(
        stack,
        "Saga",
        steps=[
            step(stack, "first", may_complete=True),
            step(stack, "look", wait=Duration.minutes(5), may_complete=True),
            step(stack, "last", may_complete=True),
        ],
    )
    (definition,) = definitions(stack).values()
    return definition


def run_patient(definition: dict[str, Any], **results: Any) -> tuple[Run, World]:
    """Run a saga with pauses and early ends, its actions returning *results*."""
    world = World(results=results)
    return run(definition, START, world.invoke), world


def test_a_complete_result_ends_the_saga_successfully(patient: dict[str, Any]) -> None:
    """What is complete needs no further steps, and the results so far are the output."""
    ended, world = run_patient(patient, look={"complete": True})
    assert world.calls == ["do first", "do look"]
    assert ended.status == "SUCCEEDED"
    assert ended.output == {"results": {"first": {"by": "first"}, "look": {"complete": True}}}


@pytest.mark.parametrize(
    "result", [{"complete": False}, {"complete": "true"}, {"complete": 1}, {}, None, [], [{"complete": True}], "x"]
)
def test_only_true_completes(patient: dict[str, Any], result: Any) -> None:
    """Any other result lets the saga go on."""
    ended, world = run_patient(patient, look=result)
    assert world.calls == ["do first", "do look", "do last"]
    assert ended.output["results"]["look"] == result


def test_each_pause_and_each_possible_end_costs_one_transition(patient: dict[str, Any]) -> None:
    """Three steps, one pause, and two chances to end early; the last step ends the saga anyway."""
    ended, _ = run_patient(patient)
    assert len(ended.states) == 3 + 1 + 2
    assert ended.waited == [300]
