"""The emulator as a process of ours: started on loopback, watched, stopped and ended with every function it runs."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from constructs_lib.local import cdk_cli, ports, processes
from constructs_lib.local.environments import interpreter
from constructs_lib.local.errors import LocalCloudError

_SCRIPT = Path(__file__).with_name("_emulator_main.py")
# As `_emulator_functions.py` calls it.
_FUNCTION_FAULTS = "function-faults.json"
_START_SECONDS = 60.0
_STOP_SECONDS = 3.0


class Emulator:
    """One emulator process: every service and account behind one port of 127.0.0.1.

    Args:
        directory: Where it keeps its state, log and process id. What an earlier run left there is removed.
        port: The port it listens on; 0 picks a free one. Default: 4566.
        endpoint_url: Where its functions reach AWS. Default: the emulator itself.
        function_environment: Variables that its functions find, unless they set them themselves. Default: none.
        progress: Called with a line of text before something slow. Default: nobody is told.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 4566,
        endpoint_url: str | None = None,
        function_environment: Mapping[str, str] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.directory = directory
        self.port = port or ports.free()
        self.url = f"http://{ports.HOST}:{self.port}"
        self.log_file = directory / "emulator.log"
        self._endpoint_url = endpoint_url or self.url
        self._function_environment = dict(function_environment or {})
        self._progress = progress or (lambda _line: None)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            LocalCloudError: If the port or the directory is in use, an environment cannot be built, or the emulator
                does not start; nothing keeps running then.
        """
        own, functions = interpreter("emulator", self._progress), interpreter("functions", self._progress)
        self._take_directory()
        try:
            ports.check(self.port)
            self._process = self._spawn(own, functions)
            self._group_file.write_text(str(self._process.pid))
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the emulator and its functions; those that do not end by themselves are killed."""
        if self._process:
            # What is suspended cannot end when asked to.
            self.resume()
            processes.end_group(self._process.pid, patience=_STOP_SECONDS)
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._process = None
        if self._lock:
            self._group_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @property
    def group(self) -> int | None:
        """The process group of the emulator and its functions; None when it does not run."""
        return self._process.pid if self._process else None

    def suspend(self) -> None:
        """Stop it and its functions in the middle of whatever they do; what they hold stays."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on where they stopped."""
        self._signal(signal.SIGCONT)

    def break_functions(self, faults: Mapping[str, Mapping[str, Any]]) -> None:
        """Have exactly these functions be broken from their next invocation on: name to mode and options."""
        file = self.directory / _FUNCTION_FAULTS
        if not faults:
            file.unlink(missing_ok=True)
            return
        # Read at any moment: it is there as a whole or not at all.
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps(faults))
        aside.replace(file)

    def check(self) -> None:
        """Do nothing while the emulator runs.

        Raises:
            LocalCloudError: If it was never started, or has ended by itself.
        """
        if self._process is None or self._process.poll() is not None:
            raise LocalCloudError(f"The emulator is not running. {self._last_words()}")

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    @property
    def _group_file(self) -> Path:
        return self.directory / "emulator.pid"

    def _take_directory(self) -> None:
        """Make the directory ours alone, and clear what a run that was killed left behind."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = (self.directory / "lock").open("a")
        try:
            # Held until this process ends, however it ends: whoever gets it knows that no other owner lives.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise LocalCloudError(
                f"A local cloud is already running in {self.directory}; stop it, or choose another port with --port."
            ) from error
        self._lock = lock
        with contextlib.suppress(FileNotFoundError, ValueError):
            group = int(self._group_file.read_text())
            # The number may belong to somebody else by now.
            if any(str(_SCRIPT) in line or "-m awslambdaric" in line for line in processes.members(group).values()):
                processes.end_group(group, patience=0)
        for name in ("tmp", "s3", "state"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.break_functions({})

    def _spawn(self, own: Path, functions: Path) -> subprocess.Popen[bytes]:
        search = cdk_cli.environment({"PATH": os.environ.get("PATH", os.defpath)})["PATH"]
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                [
                    *(str(own), "-I", str(_SCRIPT), "--port", str(self.port), "--directory", str(self.directory)),
                    *("--endpoint-url", self._endpoint_url, "--functions-python", str(functions)),
                    *("--function-environment", json.dumps(self._function_environment)),
                ],
                # Never written to: when this process is gone the pipe closes, and the emulator ends itself.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Nothing of the user's AWS configuration, credentials or proxies.
                env={"PATH": search, "HOME": str(self.directory), "LANG": "C.UTF-8"},
                cwd=self.directory,
                start_new_session=True,
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=5):
                return
            time.sleep(0.02)
        raise LocalCloudError(f"The emulator did not start. {self._last_words()}")

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log_file.read_text(errors="replace").strip().splitlines()
            if lines:
                return f"It said last: {lines[-1]} (log: {self.log_file})"
        return "It said nothing."


def deployable_resource_types(progress: Callable[[str], None]) -> frozenset[str]:
    """The CloudFormation types the emulator can deploy, as it lists them itself.

    Args:
        progress: Called with a line of text before something slow.

    Raises:
        LocalCloudError: If the emulator's environment cannot be built, or is not the one this library is written for.
    """
    answer = subprocess.run(
        [str(interpreter("emulator", progress)), "-I", str(_SCRIPT), "--resource-types"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if answer.returncode:
        raise LocalCloudError(answer.stderr.strip().splitlines()[-1])
    return frozenset(json.loads(answer.stdout))
