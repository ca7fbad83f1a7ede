"""Requests answered once, and the first answer given to everybody who asks again."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.runtime.answer_errors import (
    AnswerError,
    InProgressError,
    MissingKeyError,
    PayloadMismatchError,
    ResultNotStoredError,
    StoreUnavailableError,
)
from constructs_lib.runtime.answers import AnswerPorts, answer_once
from constructs_lib.runtime.claims import LARGEST_RESULT_BYTES
from constructs_lib.runtime.settings import SettingError
from tests.standins.dynamodb import Faults
from tests.unit.runtime.claim_world import REMEMBER_SECONDS, TIMEOUT_SECONDS, VISIBILITY_SECONDS, Crash, World
from tests.unit.runtime.fakes import FakeContext, RecordingWatch

EVENT = {"order": "o-1", "amount": 10}


@dataclass
class Function:
    """A function that answers once; each call of *ask* is an invocation of another execution environment."""

    world: World = field(default_factory=World)
    faults: Faults = field(default_factory=Faults)
    answers: list[Callable[[], object]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    published: Counter[str] = field(default_factory=Counter)

    def ask(self, event: Any = EVENT) -> object:
        worker = self.world.worker(faults=self.faults, watch=RecordingWatch(published=self.published))
        ports = AnswerPorts(claims=worker.claims, watch=worker.watch, now=worker.now)
        handle = answer_once(self._handle, key=lambda event: event["order"], load=lambda: ports)
        return handle(event, FakeContext(self.world.time, timeout_seconds=TIMEOUT_SECONDS))

    def _handle(self, event: Any) -> object:
        self.requests.append(event)
        return self.answers.pop(0)() if self.answers else {"receipt": len(self.requests)}


def raising(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


@pytest.mark.requirement("IDM-01")
def test_each_caller_gets_the_first_result() -> None:
    """k times the same request: it runs once; another request runs too."""
    function = Function()
    assert [function.ask() for _ in range(4)] == [{"receipt": 1}] * 4
    assert function.ask({"order": "o-2"}) == {"receipt": 2}
    assert function.published == {"MessagesDone": 2, "MessagesRepeated": 3}


@pytest.mark.parametrize("result", [None, 0, "", [], {"nested": [1.5, None, "ä"]}])
def test_any_json_is_a_result(result: object) -> None:
    """Nothing is a result as well: it is told apart from none."""
    function = Function(answers=[lambda: result])
    assert [function.ask(), function.ask()] == [result, result]
    assert len(function.requests) == 1


@pytest.mark.requirement("IDM-03")
def test_request_is_answered_anew_after_the_time_to_remember() -> None:
    """Within the time the stored result, after it a new one."""
    function = Function()
    function.ask()
    function.world.time.pass_by(REMEMBER_SECONDS - 1)
    assert function.ask() == {"receipt": 1}
    function.world.time.pass_by(2)
    assert function.ask() == {"receipt": 2}


@pytest.mark.requirement("IDM-04")
def test_copy_of_a_running_request_is_told_when_to_ask_again() -> None:
    """It is not run beside the first one; after the time it is told, the question is decided whatever happened."""
    function = Function()
    refused: list[InProgressError] = []

    def ask_meanwhile() -> object:
        with pytest.raises(InProgressError) as caught:
            function.ask()
        refused.append(caught.value)
        raise Crash

    function.answers = [ask_meanwhile]
    with pytest.raises(Crash):
        function.ask()
    [error] = refused
    assert str(error).startswith("IDM_IN_PROGRESS: ")
    assert error.retry_after is not None
    assert f"within {int(error.retry_after)} seconds" in str(error)
    function.world.time.pass_by(error.retry_after)
    assert function.ask() == {"receipt": 2}


@pytest.mark.requirement("IDM-05")
def test_request_runs_again_after_a_crash() -> None:
    """The claim ends with the crashed invocation, and no later."""
    function = Function(answers=[raising(Crash())])
    with pytest.raises(Crash):
        function.ask()
    with pytest.raises(InProgressError):
        function.ask()
    function.world.time.pass_by(VISIBILITY_SECONDS)
    assert function.ask() == {"receipt": 2}


def test_what_the_handler_raises_reaches_its_caller_and_is_not_remembered() -> None:
    """A failure is no result: the next request tries again, at once."""
    function = Function(answers=[raising(ValueError("amount"))])
    with pytest.raises(ValueError, match="amount"):
        function.ask()
    assert function.ask() == {"receipt": 2}


@pytest.mark.requirement("IDM-06")
def test_known_key_with_another_payload_is_refused_with_a_code() -> None:
    """And counted, for an alarm; neither the key nor the payload is told."""
    function = Function()
    function.ask()
    with pytest.raises(PayloadMismatchError, match=r"^IDM_PAYLOAD_MISMATCH: ") as caught:
        function.ask({**EVENT, "amount": 11})
    assert caught.value.retry_after is None
    assert "11" not in str(caught.value)
    assert function.published["PayloadMismatches"] == 1
    assert len(function.requests) == 1


@pytest.mark.parametrize("event", [{}, {"order": ""}, {"order": 7}, None, "o-1"])
def test_request_without_a_key_is_refused_with_a_code(event: object) -> None:
    """It is never run unguarded."""
    function = Function()
    with pytest.raises(MissingKeyError, match=r"^IDM_KEY_MISSING: "):
        function.ask(event)
    assert function.requests == []


@pytest.mark.requirement("IDM-10")
@pytest.mark.parametrize("fault", ["refused", "late", "lost"])
def test_nothing_runs_while_the_store_is_away(fault: str) -> None:
    """The caller is told so, and when to ask again."""
    function = Function(faults=Faults(unreachable=lambda _: fault))
    with pytest.raises(StoreUnavailableError, match=r"^IDM_STORE_UNAVAILABLE: ") as caught:
        function.ask()
    assert caught.value.retry_after is not None
    assert function.requests == []
    assert function.published == {"StoreErrors": 1}


@pytest.mark.parametrize("result", ["x" * LARGEST_RESULT_BYTES, {1, 2}])
def test_result_that_cannot_be_stored_reaches_the_first_caller_only(result: object) -> None:
    """The others are told that it was done, and why there is no result; it is not done again."""
    function = Function(answers=[lambda: result])
    assert function.ask() == result
    with pytest.raises(ResultNotStoredError, match=r"^IDM_RESULT_NOT_STORED: .*the result") as caught:
        function.ask()
    assert caught.value.retry_after is None
    assert len(function.requests) == 1


def test_result_that_cannot_be_recorded_still_reaches_its_caller() -> None:
    """The request is done; to say it failed would have it made again."""
    function = Function()

    def answer() -> object:
        function.faults.unreachable = "refused"
        return "receipt"

    function.answers = [answer]
    assert function.ask() == "receipt"
    assert function.published == {"MessagesDone": 1, "StoreErrors": 1}


def test_owner_that_was_taken_over_tells_what_was_recorded_first() -> None:
    """Two have run, against all rules of clocks; both callers get one result, and it is said aloud."""
    function = Function()

    def overtaken() -> object:
        function.world.time.pass_by(VISIBILITY_SECONDS)
        assert function.ask() == {"receipt": 2}
        return {"receipt": 1}

    function.answers = [overtaken]
    assert function.ask() == {"receipt": 2}
    assert function.published["ClaimsLost"] == 1


def test_every_error_has_a_code_at_its_beginning() -> None:
    """Lambda passes class and message on, and nothing else."""
    for error in AnswerError.__subclasses__():
        assert str(error("text")) == f"{error.code}: text"


def test_importing_the_names_loads_no_sdk() -> None:
    """Whoever only names an error pays nothing for it."""
    statement = (
        "import sys; from constructs_lib.runtime.answers import answer_once; "
        "import constructs_lib.runtime.answer_errors; assert 'botocore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", statement], check=True)


def test_settings_are_read_on_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on import; and a function without a table does not answer at all."""
    monkeypatch.delenv("RESILIENCE_IDEMPOTENCY_TABLE", raising=False)
    handle = answer_once(lambda event: event, key=lambda event: str(event["order"]))
    with pytest.raises(SettingError, match="RESILIENCE_IDEMPOTENCY_TABLE"):
        handle(EVENT, FakeContext())
    for name, value in {
        "RESILIENCE_IDEMPOTENCY_TABLE": "done",
        "RESILIENCE_REMEMBER_SECONDS": "60",
        "POWERTOOLS_SERVICE_NAME": "orders",
        "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MissingKeyError):
        handle({}, FakeContext())
