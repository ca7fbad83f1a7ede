"""The interpreter that sagas are tested with follows the language it claims to know."""

from typing import Any

import pytest

from tests.support.asl import Run, TaskError, run
from tests.support.jsonata import QueryError, evaluate

RETRY = {"IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}


class TestExpressions:
    """JSONata, as docs.jsonata.org has it."""

    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("$a", 1),
            ("$states.input.x", [1]),
            ("'text'", "text"),
            ("'' & $nothing & 'b'", "b"),
            ("'' & $null", "null"),
            ("2 * 3", 6),
            ("$type($null) = 'null'", True),
            ("$type($states.input) = 'object' and $a = 1", True),
            ("$nothing = $nothing", False),
            ("$a = true", False),
            ("$states.input.list.x", [1, 2]),
            ("$states.input.one.x", 1),
            ("$merge([$states.input.object, {'b': $null}])", {"a": 1, "b": None}),
            ("{'x': $nothing}", {}),
            ("$substring('abcdef', 0, 3)", "abc"),
            ("$ceil($random() * 2)", 2),
        ],
    )
    def test_has_the_value_that_jsonata_gives_it(self, expression: str, value: Any) -> None:
        """Undefined vanishes, null stays, and a path through an array gathers what it finds."""
        data = {"x": [1], "list": [{"x": 1}, {"x": 2}], "one": [{"x": 1}, {}], "object": {"a": 1}}
        found = evaluate(expression, {"a": 1, "null": None, "states": {"input": data}})
        assert (type(found), found) == (type(value), value)

    @pytest.mark.parametrize("expression", ["$nothing", "$states.result", "1 +", "$merge([1])", "a ? b : c", "1 2"])
    def test_without_a_value_it_is_an_error(self, expression: str) -> None:
        """As is whatever lies outside the subset."""
        with pytest.raises((QueryError, KeyError)):
            evaluate(expression, {"states": {}})


def execute(task: dict[str, Any], *errors: str) -> Run:
    """Run one task that fails with each of *errors* in turn and then works; caught errors end well."""
    left = list(errors)

    def invoke(resource: str, arguments: Any) -> Any:
        if left:
            raise TaskError(left.pop(0), "why")
        return "done"

    states = {
        "Task": {"Type": "Task", "Resource": "r", "Arguments": {}, "End": True, **task},
        "Caught": {"Type": "Succeed"},
    }
    return run({"QueryLanguage": "JSONata", "StartAt": "Task", "States": states}, {}, invoke)


def test_a_retrier_counts_for_itself_and_the_first_that_matches_decides() -> None:
    """An error that a spent or forbidding retrier names is not passed to the next one."""
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, **RETRY}]
    assert execute({"Retry": retry}, "B", "C").output == "done"
    assert execute({"Retry": retry}, "B", "C", "B").error == "B"
    assert execute({"Retry": retry}, "A").error == "A"


def test_delays_double_up_to_the_longest() -> None:
    """Two seconds, four, and then the cap."""
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3, **RETRY}]
    assert execute({"Retry": retry}, "A", "A", "A").waited == [2, 4, 5]


@pytest.mark.parametrize("error", ["States.Runtime", "States.DataLimitExceeded"])
def test_states_all_leaves_out_two_errors(error: str) -> None:
    """Neither a retrier nor a catcher of everything sees them."""
    everything = {"ErrorEquals": ["States.ALL"]}
    task = {"Retry": [{**everything, "MaxAttempts": 9, **RETRY}], "Catch": [{**everything, "Next": "Caught"}]}
    assert execute(task, error).error == error
    assert execute(task, *["A"] * 10).status == "SUCCEEDED"


def test_only_a_runtime_error_is_beyond_its_own_name() -> None:
    """A data limit can be caught by name, a runtime error by nothing."""
    names = ["States.Runtime", "States.DataLimitExceeded"]
    catch = [{"ErrorEquals": names, "Next": "Caught"}]
    assert execute({"Catch": catch}, "States.DataLimitExceeded").states == ["Task", "Caught"]
    assert execute({"Catch": catch}, "States.Runtime").error == "States.Runtime"


def test_payloads_have_a_limit() -> None:
    """More than 256 KiB in or out is an error of the task."""
    assert execute({"Arguments": {"x": "x" * 262_144}}).error == "States.DataLimitExceeded"
    assert execute({"Output": {"x": "x" * 262_144}}).error == "States.DataLimitExceeded"


def test_an_expression_without_a_value_fails_the_task() -> None:
    """And can be caught there, like any other error."""
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]
    assert execute({"Assign": {"x": "{% $nothing %}"}, "Catch": catch}).states == ["Task", "Caught"]


def test_what_it_does_not_know_it_refuses() -> None:
    """A definition that uses more of the language is not half run."""
    with pytest.raises(AssertionError, match="ResultPath"):
        execute({"ResultPath": "$.x"})
    with pytest.raises(AttributeError):
        run({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Map"}}}, {}, lambda *_: None)
