"""`./dev run`: what a newcomer starts, how it ends, and what it says when it cannot."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from constructs_lib.local.processes import members

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "tests.e2e.run"]

pytestmark = pytest.mark.local_cloud


def free_port() -> int:
    """A port that nobody listens on: a run keeps its state by the port, and 0 is another test's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.requirement("PRC-06", "ISO-04")
def test_a_run_accounts_for_every_event() -> None:
    """Exit status 0 only if each event is in one alert, and each alert has one post that shows all its events."""
    # A port of its own that stays the same, so that a second run finds what the first has bundled.
    done = subprocess.run(
        [*RUN, "--once", "--port", "4599", "--standins-port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every event is accounted for" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_busy_port_is_one_sentence() -> None:
    """The sentence names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*RUN, "--once", "--port", str(port), "--standins-port", "0"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_everything_it_started() -> None:
    """Interrupted in the middle of deploying, it leaves no process behind."""
    run = subprocess.Popen(
        [*RUN, "--once", "--port", str(free_port()), "--standins-port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    groups: set[int] = {run.pid}
    said = []
    for line in run.stdout:
        said.append(line)
        groups |= children_groups(run.pid)
        if "Deploying" in line:
            break
    groups |= children_groups(run.pid)
    os.kill(run.pid, signal.SIGINT)
    said.append(run.stdout.read())
    run.stdout.close()
    assert run.wait(timeout=60) == 130, "".join(said)
    assert len(groups) > 1, "the emulator has a process group of its own"
    assert {group: members(group) for group in groups if members(group)} == {}


def children_groups(pid: int) -> set[int]:
    """Process groups of all descendants of *pid*."""
    parents: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append((int(entry.name), int(fields[2])))
    found, queue = set(), [pid]
    while queue:
        for child, group in parents.get(queue.pop(), ()):
            found.add(group)
            queue.append(child)
    return found
