"""Runs inside the emulator's own environment: functions that are broken on purpose.

What is broken stands in a file, which the owner of the emulator replaces as a whole; it is looked at before every
invocation. The process of a function that crashes is really killed; one that raises or cannot be loaded is not run.
Every way to invoke a function comes past here: API, queue, state machine, rule, or another function.
"""

import functools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.core.lambda_runtime": {
        "Worker.__init__": ["self", "func_name", "config", "code_zip"],
        "Worker.invoke": ["self", "event", "request_id", "trace_id", "depth", "durable", "invoked_function_arn"],
        "Worker._spawn": ["self"],
        "_worker_class_for": ["config"],
    },
}

FILE = "function-faults.json"

_RAISED = "InjectedFault"


def install(module: Callable[[str], Any], directory: Path) -> None:
    """Have functions be broken as the file in *directory* says; after whoever else chooses how functions run."""
    runtime = module("ministack.core.lambda_runtime")
    chosen = runtime._worker_class_for
    with_faults = functools.cache(functools.partial(breakable, faults=FaultFile(directory / FILE)))
    runtime._worker_class_for = lambda config: with_faults(chosen(config))


class _Process(Protocol):
    """As `subprocess.Popen`."""

    def kill(self) -> None:
        """End it at once."""

    def poll(self) -> int | None:
        """How it ended; None while it has not."""

    def wait(self) -> int:
        """Return when it has ended."""


class FaultFile:
    """What is broken, by the name of the function.

    Args:
        path: The file; nothing is broken while it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, function: str) -> dict[str, Any] | None:
        """The fault of *function* at this moment; None if it has none."""
        try:
            faults: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        return faults.get(function)


def breakable(worker_class: type, faults: FaultFile) -> type:
    """*worker_class*, the emulator's execution environment of a function, with the faults of *faults*."""

    class Breakable(worker_class):  # type: ignore[misc]  # a class known at run time only
        func_name: str
        config: dict[str, Any]
        _proc: _Process | None
        _arm: Callable[[], None] | None = None

        def invoke(self, event: Any, request_id: str, **options: Any) -> Any:
            fault = faults.of(self.func_name)
            match fault and fault["mode"]:
                case None:
                    return super().invoke(event, request_id, **options)
                case "crash":
                    return self._invoke_and_crash(fault or {}, event, request_id, **options)
                case "unloadable":
                    # Environments that had loaded it are gone, as after a deployment.
                    self._kill()
                    module = str(self.config.get("Handler", "")).rpartition(".")[0]
                    return _failed(self.config, "Runtime.ImportModuleError", f"Unable to import module '{module}'")
                case _:
                    return _failed(self.config, _RAISED, "broken on purpose: it raises whatever it is given")

        def _invoke_and_crash(self, fault: dict[str, Any], event: Any, request_id: str, **options: Any) -> Any:
            crashed = threading.Event()

            def crash() -> None:
                # A fault that has ended meanwhile kills nobody any more.
                if faults.of(self.func_name) == fault:
                    crashed.set()
                    self._kill()

            timers: list[threading.Timer] = []

            def arm() -> None:
                timers.append(threading.Timer(fault["after"], crash))
                timers[-1].start()

            self._arm = arm
            if self._proc is not None and self._proc.poll() is None:
                arm()
            try:
                result = super().invoke(event, request_id, **options)
            finally:
                self._arm = None
                for timer in timers:
                    timer.cancel()
            # Done before its time, it dies before anybody has heard of it.
            crash()
            return _crashed(request_id, result.get("log")) if crashed.is_set() else result

        def _spawn(self, *arguments: Any, **options: Any) -> None:
            super()._spawn(*arguments, **options)
            # An environment that starts only now, perhaps because the crash came before the event, crashes with the
            # event in its hands, not while it starts.
            if self._arm:
                self._arm()

        def _kill(self) -> None:
            if process := self._proc:
                process.kill()
                process.wait()

    return Breakable


def _crashed(request_id: str, log: str | None) -> dict[str, Any]:
    """What an invocation gives whose process was killed."""
    reason = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    error = {"errorMessage": reason, "errorType": "Runtime.ExitError"}
    lines = [log, reason, error["errorType"]]
    return {"status": "error", "error": reason, "error_payload": error, "log": "\n".join(filter(None, lines))}


def _failed(config: dict[str, Any], error_type: str, message: str) -> dict[str, Any]:
    """What an invocation that failed without running gives, logged in the way the function logs."""
    error = {"errorMessage": message, "errorType": error_type, "stackTrace": []}
    line = f"[ERROR] {error_type}: {message}"
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        line = json.dumps({"level": "ERROR", **error})
    return {"status": "error", "error": message, "error_payload": error, "log": line}
