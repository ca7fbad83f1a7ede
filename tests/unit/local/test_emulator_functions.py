"""A function that is broken on purpose fails as one that is broken by itself would."""

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from constructs_lib.local import _emulator_functions as functions
from constructs_lib.local import emulator
from constructs_lib.local.emulator import Emulator

CRASH_AT_ONCE = {"mode": "crash", "after": 0.0}
CRASH_LATE = {"mode": "crash", "after": 600.0}


class Process:
    """A function's process."""

    def __init__(self) -> None:
        self.killed = False

    def kill(self) -> None:
        self.killed = True

    def poll(self) -> int | None:
        return -9 if self.killed else None

    def wait(self) -> int:
        return -9


class Environment:
    """The emulator's execution environment: starts a process when it has none that lives, and runs until it dies."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        self.func_name, self.config = func_name, config
        self._proc: Any = None
        self.done: list[Any] = []
        self.runs_until_killed = False

    def _spawn(self) -> None:
        self._proc = Process()

    def invoke(self, event: Any, request_id: str, **_: Any) -> dict[str, Any]:
        if self._proc is None or self._proc.killed:
            self._spawn()
        self.done.append(event)
        while self.runs_until_killed and not self._proc.killed:
            pass
        return {"status": "ok", "result": "done", "log": "hello"}


class Broken:
    """A function, and the file that says how it is broken."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        runtime: Any = ModuleType("lambda_runtime")
        runtime._worker_class_for = lambda _config: Environment
        functions.install({"ministack.core.lambda_runtime": runtime}.__getitem__, folder)
        self.environment = runtime._worker_class_for(config)("orders", {"Handler": "index.handle", **config}, b"")

    def by(self, fault: dict[str, Any] | None, name: str = "orders") -> None:
        Emulator(self.folder).break_functions({name: fault} if fault else {})

    def invoke(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.environment.invoke("event", "r-1", trace_id=None)
        return answer


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    return Broken(tmp_path)


def test_the_file_is_called_the_same_on_both_sides() -> None:
    """The owner of the emulator writes what its script reads; they cannot import each other."""
    assert functions.FILE == emulator._FUNCTION_FAULTS


def test_without_a_fault_functions_run_as_ever(broken: Broken) -> None:
    """Also while another one is broken, and after the fault."""
    assert broken.invoke()["status"] == "ok"
    broken.by({"mode": "raises"}, "others")
    assert broken.invoke()["status"] == "ok"
    broken.by({"mode": "raises"})
    assert broken.invoke()["status"] == "error"
    broken.by(None)
    assert broken.invoke()["status"] == "ok"


def test_one_that_raises_does_nothing_and_lives(broken: Broken) -> None:
    """Its environment is used again, as after any error of a handler."""
    broken.invoke()
    broken.by({"mode": "raises"})

    answer = broken.invoke()

    assert answer["error_payload"]["errorType"] == "InjectedFault"
    assert answer["log"].startswith("[ERROR] InjectedFault: broken on purpose")
    assert broken.environment.done == ["event"]
    assert not broken.environment._proc.killed


def test_errors_are_logged_in_the_functions_own_format(tmp_path: Path) -> None:
    """What reads a function's JSON logs reads these too."""
    function = Broken(tmp_path, LoggingConfig={"LogFormat": "JSON"})
    function.by({"mode": "raises"})

    line = json.loads(function.invoke()["log"])

    assert (line["level"], line["errorType"]) == ("ERROR", "InjectedFault")


def test_one_that_cannot_be_loaded_leaves_no_environment_behind(broken: Broken) -> None:
    """As after a deployment of code that has such a fault."""
    broken.invoke()
    broken.by({"mode": "unloadable"})

    error = broken.invoke()["error_payload"]

    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'index'"
    assert broken.environment._proc.killed


@pytest.mark.parametrize("warm", [True, False])
def test_one_that_crashes_dies_with_the_event_in_its_hands(broken: Broken, warm: bool) -> None:
    """Not while it starts: it would never get to see an event."""
    if warm:
        broken.invoke()
    broken.environment.done.clear()
    broken.environment.runs_until_killed = True
    broken.by(CRASH_AT_ONCE)

    answer = broken.invoke()

    assert broken.environment.done == ["event"]
    assert answer["error_payload"] == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r-1 Error: Runtime exited with error: signal: killed",
    }
    assert answer["log"].startswith("hello\nRequestId: r-1")


def test_one_that_crashes_before_it_sees_the_event_crashes_again_with_it(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator starts another environment then, in which nothing else would kill it."""
    broken.invoke()
    broken.environment.runs_until_killed = True
    broken.by(CRASH_AT_ONCE)
    invoke = Environment.invoke

    def invoke_late(environment: Environment, *given: Any, **options: Any) -> dict[str, Any]:
        while not environment._proc.killed:
            pass
        return invoke(environment, *given, **options)

    monkeypatch.setattr(Environment, "invoke", invoke_late)

    assert broken.invoke()["error_payload"]["errorType"] == "Runtime.ExitError"


def test_one_that_is_done_before_its_crash_dies_before_it_answers(broken: Broken) -> None:
    """What it did is done, and nobody knows."""
    broken.by(CRASH_LATE)

    assert broken.invoke()["error_payload"]["errorType"] == "Runtime.ExitError"
    assert broken.environment._proc.killed


def test_a_crash_that_is_called_off_kills_nobody(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that has ended reaches nothing that is still under way."""
    broken.by(CRASH_LATE)
    spawn = Environment._spawn

    def spawn_and_mend(environment: Environment) -> None:
        spawn(environment)
        broken.by(None)

    monkeypatch.setattr(Environment, "_spawn", spawn_and_mend)

    assert broken.invoke()["status"] == "ok"
    assert not broken.environment._proc.killed


def test_one_that_fails_by_itself_takes_its_crash_along(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that did not start is the emulator's to report; nothing is left that would kill its successor."""
    broken.by(CRASH_LATE)

    def fail(_environment: Environment) -> None:
        raise RuntimeError("init error")

    monkeypatch.setattr(Environment, "_spawn", fail)
    with pytest.raises(RuntimeError):
        broken.invoke()
    assert broken.environment._arm is None


def test_classes_are_made_once(tmp_path: Path) -> None:
    """The emulator may compare them."""
    runtime: Any = SimpleNamespace(_worker_class_for=lambda _config: Environment)
    functions.install(lambda _name: runtime, tmp_path)

    assert runtime._worker_class_for({}) is runtime._worker_class_for({})
