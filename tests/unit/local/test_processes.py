import sys
from pathlib import Path

import pytest

from constructs_lib.local import processes

SLEEP = "import time; time.sleep(60)"


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def test_run_passes_on_lines_and_status() -> None:
    """What a command prints arrives line by line, both streams, and its exit status at the end."""
    lines: list[str] = []

    status = processes.run(
        python("import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)"), on_line=lines.append
    )

    assert (status, lines) == (3, ["one", "two"])


def test_interruption_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    """Ctrl-C during a wait leaves neither the command nor its children running."""
    source = f"import os, subprocess, sys; subprocess.Popen({python(SLEEP)!r}); print(os.getpid(), flush=True); {SLEEP}"
    groups: list[int] = []

    def interrupt(line: str) -> None:
        groups.append(int(line))
        assert len(processes.members(groups[0])) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes.run(python(source), on_line=interrupt)

    assert processes.members(groups[0]) == {}


def test_a_process_that_ignores_the_request_is_killed() -> None:
    """A group is gone after `end_group`, whatever its members think of a polite request."""
    source = (
        f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); {SLEEP}"
    )

    def end(line: str) -> None:
        processes.end_group(int(line), patience=0.1)

    assert processes.run(python(source), on_line=end) == -9


def test_both_ways_to_list_processes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc, `ps` tells the same about a group."""

    def compare(line: str) -> None:
        from_proc = {entry[:2] for entry in processes._from_proc() if entry[0] == int(line)}
        from_ps = {entry[:2] for entry in processes._from_ps() if entry[0] == int(line)}
        assert from_proc == from_ps == {(int(line), int(line))}
        processes.end_group(int(line), patience=1)

    processes.run(python(f"import os; print(os.getpid(), flush=True); {SLEEP}"), on_line=compare)
