import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.local import ports, processes
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.router.process import Router
from constructs_lib.local.router.table import Table

TABLE = Table(home="us-east-1", regions={"us-east-1": 1})


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    one = Router(tmp_path, port=0)
    one.start(TABLE)
    yield one
    one.stop()


def test_it_serves_what_it_was_told_last(router: Router) -> None:
    """Once `tell` returns, the new table is in force, ports for functions included."""
    origin = ports.free()
    router.tell(Table(home="us-east-1", regions={"us-east-1": 1}, origins={origin: "us-east-1"}))

    for port in (router.port, origin):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_region_that_does_not_answer_is_no_answer(router: Router) -> None:
    """Nothing listens where the table says: the client's connection ends."""
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(router.url, timeout=5)


def test_a_port_in_use_is_named_with_the_way_out(router: Router, tmp_path: Path) -> None:
    """Who finds the port taken reads which one it is and which option chooses another."""
    with pytest.raises(LocalCloudError, match=rf"Port {router.port} .*--port"):
        Router(tmp_path / "other", port=router.port).start(TABLE)


def test_one_that_has_ended_is_noticed(router: Router) -> None:
    """By who looks, and by who has something to tell."""
    router.check()
    assert router._process is not None
    os.kill(router._process.pid, signal.SIGKILL)
    router._process.wait()

    with pytest.raises(LocalCloudError, match="router is not running"):
        router.check()
    with pytest.raises(LocalCloudError, match="router has ended"):
        router.tell(TABLE)


def test_when_its_owner_is_gone_it_ends_and_takes_along_what_is_stopped(tmp_path: Path) -> None:
    """A stopped process sees nothing of its owner's end: it would stay for ever."""
    stopped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    os.kill(stopped.pid, signal.SIGSTOP)
    router = Router(tmp_path, port=0)
    router.start(Table(home="us-east-1", regions={"us-east-1": 1}, stopped=(stopped.pid,)))
    process = router._process
    assert process is not None
    assert process.stdin is not None

    process.stdin.close()

    assert process.wait(timeout=10) == 0
    assert stopped.wait(timeout=10) == -signal.SIGKILL
    assert processes.members(process.pid) == {}
    router.stop()
