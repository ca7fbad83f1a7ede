"""Runs a state machine's definition, step by step, without clock, network or AWS.

It knows the Amazon States Language that compiled sagas use (Task, Wait, Choice, Succeed and Fail in JSONata) and
refuses the rest. Errors are matched and size limits applied as the Step Functions developer guide says ("Handling
errors", "Service quotas").
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.jsonata import QueryError, evaluate

_PAYLOAD_LIMIT = 256 * 1024
_NOT_IN_ALL = {"States.DataLimitExceeded", "States.Runtime"}


class TaskError(Exception):
    """A task fails with this error name and cause."""

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(name, cause)
        self.name = name
        self.cause = cause


@dataclass
class Run:
    """What an execution did, and how it ended."""

    states: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    status: str = "RUNNING"
    output: Any = None
    error: str = ""
    cause: str = ""


Invoke = Callable[[str, Any], Any]
"""Does a task: gets its resource and arguments, returns its result or raises `TaskError`."""


def run(definition: Mapping[str, Any], start_input: Any, invoke: Invoke, *, execution: str = "execution-1") -> Run:
    """Run *definition* to its end."""
    return _Interpreter(definition, start_input, invoke, execution).run()


class _Interpreter:
    def __init__(self, definition: Mapping[str, Any], start_input: Any, invoke: Invoke, execution: str) -> None:
        assert definition["QueryLanguage"] == "JSONata"
        self._definition = definition
        self._start_input = start_input
        self._invoke = invoke
        self._context: dict[str, Any] = {"Execution": {"Id": execution, "Input": start_input}}
        self._variables: dict[str, Any] = {}
        self._run = Run()
        self._tokens = 0

    def run(self) -> Run:
        name, data = self._definition["StartAt"], self._start_input
        try:
            while name:
                self._run.states.append(name)
                state = self._definition["States"][name]
                name, data = getattr(self, f"_{state['Type'].lower()}")(state, data)
        except TaskError as failure:
            self._run.status, self._run.error, self._run.cause = "FAILED", failure.name, failure.cause
        else:
            self._run.status, self._run.output = "SUCCEEDED", data
        return self._run

    def _task(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        _only(state, "Type Resource Arguments Assign Output Next End Retry Catch TimeoutSeconds")
        retried: dict[int, int] = {}
        while True:
            try:
                return self._attempt(state, data)
            except TaskError as failure:
                if self._retries(state.get("Retry", []), failure.name, retried):
                    continue
                return self._caught(state.get("Catch", []), failure)

    def _attempt(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        context = dict(self._context)
        if state["Resource"].endswith(".waitForTaskToken"):
            self._tokens += 1
            context["Task"] = {"Token": f"token-{self._tokens}"}
        arguments = self._value(state["Arguments"], input=data, context=context)
        _check_size(arguments)
        result = self._invoke(state["Resource"], arguments)
        _check_size(result)
        output = self._value(state.get("Output", "{% $states.result %}"), input=data, result=result)
        _check_size(output)
        assigned = self._value(state.get("Assign", {}), input=data, result=result)
        _check_size(assigned)
        self._variables.update(assigned)
        return state.get("Next", ""), output

    def _retries(self, retriers: list[Mapping[str, Any]], error: str, retried: dict[int, int]) -> bool:
        for index, retrier in enumerate(retriers):
            _only(retrier, "ErrorEquals MaxAttempts IntervalSeconds BackoffRate MaxDelaySeconds JitterStrategy")
            if not _matches(retrier["ErrorEquals"], error):
                continue
            count = retried.get(index, 0)
            if error == "States.Runtime" or count >= retrier["MaxAttempts"]:
                return False
            retried[index] = count + 1
            delay = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** count
            self._run.waited.append(min(delay, retrier["MaxDelaySeconds"]))
            return True
        return False

    def _caught(self, catchers: list[Mapping[str, Any]], failure: TaskError) -> tuple[str, Any]:
        for catcher in catchers:
            _only(catcher, "ErrorEquals Next Assign")
            if failure.name != "States.Runtime" and _matches(catcher["ErrorEquals"], failure.name):
                error = {"Error": failure.name, "Cause": failure.cause}
                self._variables.update(self._value(catcher.get("Assign", {}), errorOutput=error))
                return catcher["Next"], error
        raise failure

    def _wait(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        _only(state, "Type Seconds Next")
        self._run.waited.append(self._value(state["Seconds"]))
        return state["Next"], data

    def _choice(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        _only(state, "Type Choices Default")
        for rule in state["Choices"]:
            _only(rule, "Condition Next Output")
            chosen = self._value(rule["Condition"], input=data)
            assert isinstance(chosen, bool), "a condition must be true or false"
            if chosen:
                return rule["Next"], self._value(rule.get("Output", "{% $states.input %}"), input=data)
        return state["Default"], data

    def _succeed(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        _only(state, "Type")
        return "", data

    def _fail(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        _only(state, "Type Error Cause")
        raise TaskError(state["Error"], self._value(state["Cause"], input=data))

    def _value(self, template: Any, **states: Any) -> Any:
        """Fill a template; states other than Task let an error here end the execution, as nothing can catch it."""
        variables = {**self._variables, "states": {"context": self._context, **states}}
        if isinstance(template, str) and template.startswith("{%"):
            try:
                return evaluate(template.removeprefix("{%").removesuffix("%}").strip(), variables)
            except QueryError as error:
                raise TaskError("States.QueryEvaluationError", str(error)) from error
        if isinstance(template, Mapping):
            return {key: self._value(value, **states) for key, value in template.items()}
        assert not isinstance(template, list), "no saga needs a list"
        return template


def _only(thing: Mapping[str, Any], known: str) -> None:
    unknown = set(thing) - set(known.split())
    assert not unknown, f"the interpreter does not know {unknown}"


def _matches(names: list[str], error: str) -> bool:
    if "States.ALL" in names:
        assert names == ["States.ALL"], "States.ALL must stand alone"
        return error not in _NOT_IN_ALL
    return error in names


def _check_size(value: Any) -> None:
    if len(json.dumps(value, ensure_ascii=False).encode()) > _PAYLOAD_LIMIT:
        raise TaskError("States.DataLimitExceeded", "a payload is larger than 256 KiB")
