"""The router as a process of ours: one port for all of AWS on this machine, whatever region a request is for."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from constructs_lib.local import ports, processes
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.router.table import Table

_STOP_SECONDS = 2.0


class Router:
    """Passes each request on to the emulator of its region.

    Args:
        directory: Where it keeps its log.
        port: The port it listens on; 0 picks a free one.
    """

    def __init__(self, directory: Path, *, port: int) -> None:
        self.port = port or ports.free()
        self.url = f"http://{ports.HOST}:{self.port}"
        self._log_file = directory / "router.log"
        self._process: subprocess.Popen[str] | None = None
        # Tables come from whoever starts or ends a fault, from more than one thread.
        self._telling = threading.Lock()

    def start(self, table: Table) -> None:
        """Start the process; requests go by *table*.

        Raises:
            LocalCloudError: If the port is in use, or the process does not start; nothing keeps running then.
        """
        ports.check(self.port)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "constructs_lib.local.router.main", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Nothing of the user's, but the place this library is imported from, which may be a checkout.
                env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
                text=True,
                # Ctrl-C is for its owner, who ends it last.
                start_new_session=True,
            )
        try:
            self.tell(table)
        except BaseException:
            self.stop()
            raise

    def tell(self, table: Table) -> None:
        """Go by *table* from now on; returns when it is in force, also for requests under way.

        Raises:
            LocalCloudError: If the router does not run.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise LocalCloudError("The router is not running.")
        with self._telling:
            try:
                process.stdin.write(f"{json.dumps(table.as_json())}\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except OSError:
                answer = ""
        if not answer:
            raise LocalCloudError(f"The router has ended. {self._last_words()}")

    def stop(self) -> None:
        """End it, and every connection through it."""
        process, self._process = self._process, None
        if process is None:
            return
        processes.end_group(process.pid, patience=_STOP_SECONDS)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                # What it did not read any more is of no use to anybody.
                with contextlib.suppress(OSError):
                    pipe.close()

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            LocalCloudError: If it was never started, or has ended by itself.
        """
        if self._process is None or self._process.poll() is not None:
            raise LocalCloudError(f"The router is not running. {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").strip().splitlines() if self._log_file.exists() else []
        return f"It said last: {lines[-1]} (log: {self._log_file})" if lines else "It said nothing."
