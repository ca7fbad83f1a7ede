"""Child processes that are always ended, with everything they started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_POLL_SECONDS = 0.05


def run(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> int:
    """Run *command* to its end and return its exit status; each line it prints goes to *on_line*.

    The command gets a process group of its own. Whatever interrupts the wait (Ctrl-C, an error in *on_line*) ends
    that group before the interruption goes on.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=directory,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            for line in process.stdout or ():
                on_line(line.rstrip())
            return process.wait()
        except BaseException:
            end_group(process.pid, patience=3.0)
            raise


def end_group(group: int, *, patience: float) -> None:
    """End every process of *group*: asked first, and killed once *patience* seconds have passed."""
    for request, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, request)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not members(group):
                return
            time.sleep(_POLL_SECONDS)


def members(group: int) -> dict[int, str]:
    """Process id and command line of every living process in *group*."""
    everything = _from_proc() if Path("/proc/self/stat").exists() else _from_ps()
    return {pid: line for pid, pgid, state, line in everything if pgid == group and not state.startswith("Z")}


def _from_proc() -> Iterator[tuple[int, int, str, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        # A process may end between the listing and the look.
        with contextlib.suppress(OSError):
            # The command's name stands in parentheses and may hold anything: pid (name) state parent group ...
            state, _parent, group = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(entry.name), int(group), state, arguments.strip()


def _from_ps() -> Iterator[tuple[int, int, str, str]]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat=,args="],  # noqa: S607 - wherever this system keeps it
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listing.stdout.splitlines():
        pid, group, state, *arguments = line.split(None, 3)
        yield int(pid), int(group), state, " ".join(arguments)
