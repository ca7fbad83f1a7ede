import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.local import emulator, processes
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.errors import LocalCloudError

FAKE = Path(__file__).with_name("fake_emulator.py")


@pytest.fixture(autouse=True)
def _fake_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's process is a small script of ours, run by this interpreter."""
    monkeypatch.setattr(emulator, "_SCRIPT", FAKE)
    monkeypatch.setattr(emulator, "interpreter", lambda _name, _progress: Path(sys.executable))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Emulator]:
    one = Emulator(tmp_path, port=0)
    one.start()
    yield one
    one.stop()


def group_of(one: Emulator) -> int:
    return int((one.directory / "emulator.pid").read_text())


def test_start_returns_once_it_answers_and_stop_ends_its_functions_too(tmp_path: Path) -> None:
    """The whole process group ends: the emulator, and what it started."""
    one = Emulator(tmp_path, port=0)
    one.start()
    group = group_of(one)
    one.check()
    assert len(processes.members(group)) == 2

    one.stop()

    assert processes.members(group) == {}
    with pytest.raises(LocalCloudError, match="not running"):
        one.check()


def test_nothing_of_the_users_environment_reaches_it(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, profile or proxy of the user's is visible where functions run."""
    names = set(re.findall(r"'(\w+)'", running.log_file.read_text().splitlines()[0]))

    assert {"PATH", "HOME", "LANG"} <= names <= {"PATH", "HOME", "LANG", "LC_CTYPE"}


def test_what_functions_find_in_their_environment_is_told(tmp_path: Path) -> None:
    """The process gets it as it was given, and nothing when nothing was."""
    for given, told in (({"HTTP_PROXY": "http://127.0.0.1:1"}, '{"HTTP_PROXY": "http://127.0.0.1:1"}'), (None, "{}")):
        one = Emulator(tmp_path, port=0, function_environment=given)
        one.start()
        one.stop()
        assert one.log_file.read_text().splitlines()[1] == f"functions find {told}"


def test_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    """Who finds the port taken reads which one it is and which option chooses another."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalCloudError, match=rf"Port {port} .*--port"):
            Emulator(tmp_path, port=port).start()


def test_directory_of_a_running_one_is_refused(running: Emulator) -> None:
    """A second emulator does not take over the state of one that runs."""
    with pytest.raises(LocalCloudError, match="already running"):
        Emulator(running.directory, port=0).start()
    running.check()


def test_one_that_does_not_start_says_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries what the process printed last, and nothing is left running or locked."""
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; sys.exit('the reason')")
    with monkeypatch.context() as patch:
        patch.setattr(emulator, "_SCRIPT", broken)
        with pytest.raises(LocalCloudError, match="the reason"):
            Emulator(tmp_path / "state", port=0).start()

    again = Emulator(tmp_path / "state", port=0)
    again.start()
    again.stop()


def test_functions_an_earlier_run_left_behind_are_ended(tmp_path: Path) -> None:
    """When the emulator was killed alone, its functions live on; the next start in its place ends them."""
    earlier = Emulator(tmp_path, port=0)
    earlier.start()
    group = group_of(earlier)
    os.kill(group, signal.SIGKILL)
    assert earlier._process is not None
    earlier._process.wait()
    assert len(processes.members(group)) == 1
    # What a killed owner leaves: the process id on disk, the lock gone.
    assert earlier._lock is not None
    earlier._lock.close()

    later = Emulator(tmp_path, port=0)
    later.start()
    try:
        assert processes.members(group) == {}
    finally:
        later.stop()
        assert earlier._process.stdin is not None
        earlier._process.stdin.close()


def test_functions_are_whole_again_after_a_start(tmp_path: Path) -> None:
    """What an earlier run that was killed had broken is not broken any more."""
    Emulator(tmp_path, port=0).break_functions({"orders": {"mode": "raises"}})
    one = Emulator(tmp_path, port=0)
    one.start()
    try:
        assert not (tmp_path / "function-faults.json").exists()
    finally:
        one.stop()


def test_a_process_that_only_inherited_the_number_is_left_alone(tmp_path: Path) -> None:
    """A stale process id may belong to somebody else by now: it is looked at before anything is ended."""
    (tmp_path / "emulator.pid").write_text(str(os.getpgrp()))
    one = Emulator(tmp_path, port=0)
    one.start()
    one.stop()
