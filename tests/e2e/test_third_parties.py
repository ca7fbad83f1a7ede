"""The third parties of a stranger's app fail: its function calls them by their real addresses and knows of nothing."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constructs_lib import cli
from constructs_lib.local import running
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.faults.model import ThirdParty

APP = Path(__file__).parent / "apps" / "calling_app.py"
# An address of this machine that is not the one AWS is at.
OUTSIDE = "127.0.0.2"
HOST = "api.example.com"

pytestmark = pytest.mark.local_cloud


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"python {APP}", port=0, work_directory=work_directory, progress=print) as cloud:
        yield cloud


@pytest.fixture
def cloud(started: LocalCloud) -> Iterator[LocalCloud]:
    yield started
    for fault_id in started.faults():
        started.clear(fault_id)


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The address of a third party that is well."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"sold")

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer((OUTSIDE, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{OUTSIDE}:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def call(cloud: LocalCloud, way: str, url: str = "") -> Any:
    """What the function tells of its call."""
    name = cloud.stack("Calling").outputs["FunctionName"]
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"way": way, "url": url}))
    return json.load(answer["Payload"])


def counted(cloud: LocalCloud, host: str) -> dict[str, int]:
    """What the status tells of calls to *host*."""
    return next((each for each in cloud.status()["third_parties"] if each["host"] == host), {})


def test_without_a_fault_a_call_arrives(cloud: LocalCloud, shop: str) -> None:
    """Through the proxy, which counts it."""
    before = counted(cloud, OUTSIDE).get("passed", 0)

    assert call(cloud, "urllib", shop) == {"status": 200, "body": "sold"}
    assert counted(cloud, OUTSIDE)["passed"] == before + 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_third_party_is_broken_and_mended_by_command(
    cloud: LocalCloud, scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function gets what a service would answer that throttles, over TLS too."""
    monkeypatch.setattr(running, "default_work_directory", lambda _port: cloud.work_directory)

    assert cli.main(["fault", "start", "third-party", HOST, "throttled", "--retry-after", "3"]) == 0
    fault_id = capsys.readouterr().out.strip()
    assert call(cloud, "urllib", f"{scheme}://{HOST}/") == {"status": 429, "retry_after": "3"}

    assert cli.main(["local", "status"]) == 0
    assert f"  {HOST}  " in capsys.readouterr().out
    assert cli.main(["fault", "stop", fault_id]) == 0
    assert cloud.faults() == {}


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("down", {"status": 503, "retry_after": None}),
        ("garbled", {"status": 200, "body": '{"ok": tr<html>upstream'}),
        ("refuse", {"error": "ConnectionResetError"}),
        ("hanging", {"error": "TimeoutError"}),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_function_sees_each_way_to_fail(cloud: LocalCloud, mode: Any, seen: Any, scheme: str) -> None:
    """As its HTTP library shows it."""
    cloud.inject(ThirdParty(where="*.example.com", mode=mode))

    assert call(cloud, "urllib", f"{scheme}://{HOST}/") == seen


def test_a_slow_third_party_does_what_it_is_asked(cloud: LocalCloud, shop: str) -> None:
    """The function that does not wait for it only learns nothing of it."""
    fault = cloud.inject(ThirdParty(where=OUTSIDE, mode="slow", by=0.2))
    assert call(cloud, "urllib", shop) == {"status": 200, "body": "sold"}
    cloud.clear(fault)

    cloud.inject(ThirdParty(where=OUTSIDE, mode="slow", by=60))
    assert call(cloud, "urllib", shop) == {"error": "TimeoutError"}


def test_aws_is_no_third_party(cloud: LocalCloud) -> None:
    """With every host down the function's calls to AWS go on."""
    cloud.inject(ThirdParty(where="*", mode="down"))

    assert call(cloud, "sdk") == {"account": "000000000000"}


def test_a_library_that_ignores_proxies_is_out_of_reach(cloud: LocalCloud, shop: str) -> None:
    """As the report says: the fault does not reach it, and the status does not count it."""
    cloud.inject(ThirdParty(where="*", mode="down"))
    before = counted(cloud, OUTSIDE)

    assert call(cloud, "pool", shop) == {"status": 200, "body": "sold"}
    assert counted(cloud, OUTSIDE) == before
    assert any("proxy" in line for line in cloud.report.lines())
