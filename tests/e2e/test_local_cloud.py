"""The local cloud runs a stranger's CDK app: nothing in it is ours."""

import functools
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from constructs_lib.local import logs, processes
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.environments import cache_directory
from constructs_lib.local.errors import LocalCloudError

APP = Path(__file__).parent / "apps" / "tiny_app.py"

pytestmark = pytest.mark.local_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"python {APP}", port=0, work_directory=work_directory, progress=print) as running:
        yield running


def test_request_reaches_the_table_through_api_queue_and_function(cloud: LocalCloud) -> None:
    """An order posted to the API is found a moment later: API, function, queue, mapping and table work together."""
    url = cloud.local_url(cloud.stack("Orders").outputs["Url"])

    assert status(url, b"order-1") == 202
    assert eventually(lambda: status(f"{url}order-1") == 200)
    assert status(f"{url}order-2") == 404


def test_stream_record_reaches_the_function(cloud: LocalCloud) -> None:
    """A record on a Kinesis stream is consumed by the function mapped to it."""
    stack = cloud.stack("Orders")
    url = cloud.local_url(stack.outputs["Url"])

    cloud.client("kinesis").put_record(StreamName=stack.outputs["StreamName"], Data=b"order-3", PartitionKey="3")

    assert eventually(lambda: status(f"{url}order-3") == 200)


def test_dependency_missing_from_the_asset_is_missing_here(cloud: LocalCloud) -> None:
    """A function sees its asset and AWS's runtime: a package of the emulator's own environment is not there."""
    stack = cloud.stack("Orders")

    assert status(f"{cloud.local_url(stack.outputs['Url'])}emulator") >= 500
    answer = cloud.client("lambda").invoke(
        FunctionName=stack.outputs["FunctionName"], Payload=json.dumps({"rawPath": "/emulator"})
    )
    assert json.load(answer["Payload"])["errorType"] == "ModuleNotFoundError"
    groups = logs.log_groups("orders-function", ["us-east-1"], cloud.client)
    failures = [json.loads(line) for line in logs.lines(groups, cloud.client) if "ModuleNotFoundError" in line]
    assert failures[0]["level"] == "ERROR"


def test_function_sees_nothing_of_this_machine(cloud: LocalCloud) -> None:
    """A function's environment holds what AWS's runtime sets and its own settings, nothing of the user's."""
    url = cloud.local_url(cloud.stack("Orders").outputs["Url"])
    with urllib.request.urlopen(f"{url}environment", timeout=10) as answer:
        environment = json.load(answer)

    assert environment["TABLE"] == "orders"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert not {"HOME", "GATEWAY_PORT", "XDG_CACHE_HOME", "USER", "VIRTUAL_ENV"} & set(environment)


def test_import_error_has_the_name_aws_gives_it(cloud: LocalCloud) -> None:
    """A handler that cannot be imported fails as Runtime.ImportModuleError, each time it is asked."""
    function = cloud.stack("Orders").outputs["FunctionName"]
    functions = cloud.client("lambda")
    code = functions.get_function(FunctionName=function)["Configuration"]
    broken = functions.create_function(
        FunctionName="broken",
        Runtime=code["Runtime"],
        Role=code["Role"],
        Handler="nowhere.handle",
        Code={"ZipFile": empty_archive()},
    )["FunctionName"]

    for _ in range(2):
        error = json.load(functions.invoke(FunctionName=broken)["Payload"])
        assert error["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'nowhere'" in error["errorMessage"]


def test_nothing_is_dropped_silently(cloud: LocalCloud) -> None:
    """What the emulator does not know is left out of the copy that is deployed, and reported."""
    (left_out,) = cloud.report.left_out

    assert left_out.resource_type == "AWS::CloudWatch::CompositeAlarm"
    assert left_out.logical_id not in cloud.stack("Orders").resources


def test_only_loopback_is_served(cloud: LocalCloud) -> None:
    """Another address of this machine is still free on the emulator's port."""
    with socket.socket() as other:
        other.bind(("127.0.0.2", cloud.port))


def test_port_in_use_is_one_clear_sentence(cloud: LocalCloud, tmp_path: Path) -> None:
    """A second cloud on the same port says which port it is and which option chooses another."""
    with (
        pytest.raises(LocalCloudError, match=rf"Port {cloud.port} .* --port"),
        LocalCloud(app=f"python {APP}", port=cloud.port, work_directory=tmp_path),
    ):
        pass


def test_nothing_stays_behind(cloud: LocalCloud, tmp_path: Path) -> None:
    """Killed or asked to stop, the command takes the emulator and its functions along, and can be started again."""
    command = [sys.executable, "-m", "constructs_lib.cli", "local", "up", "--port", str(free_port())]
    command += ["--app", str(cloud.work_directory / "synthesized")]
    # The environments of the local cloud are built already; everything else is this test's own.
    (tmp_path / "resilience").mkdir()
    (tmp_path / "resilience" / "environments").symlink_to(cache_directory() / "environments")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for request_to_end in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            printed = next(line for line in process.stdout or () if "Url" in line)
            assert status(f"{printed.split()[-1]}order-4") == 404
            group = int(next(tmp_path.rglob("emulator.pid")).read_text())
            assert any("awslambdaric" in line for line in processes.members(group).values())
            process.send_signal(request_to_end)
        assert eventually(functools.partial(gone, group))


def status(url: str, body: bytes | None = None) -> int:
    """The HTTP status that *url* answers with."""
    try:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=15) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def gone(group: int) -> bool:
    """Whether no process of *group* lives."""
    return not processes.members(group)


def eventually(true: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether *true* becomes true within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (holds := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds


def empty_archive() -> bytes:
    """An asset that holds nothing."""
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    return content.getvalue()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
