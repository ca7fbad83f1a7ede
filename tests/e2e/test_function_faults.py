"""Functions of a stranger's app are broken on purpose: they raise, cannot be loaded, or die in the middle."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local import logs
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.client import FaultsClient
from constructs_lib.local.faults.model import FunctionFault, PoisonRecord, ThirdParty
from constructs_lib.local.faults.plan import read_faults
from constructs_lib.local.faults.play import play
from constructs_lib.local.faults.poison import UNREADABLE

APP = Path(__file__).parent / "apps" / "tiny_app.py"
# Longer than anything the function does.
LATE = 4.0

pytestmark = pytest.mark.local_cloud


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"python {APP}", port=0, work_directory=work_directory, progress=print) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: LocalCloud) -> Iterator[LocalCloud]:
    yield running
    for fault_id in running.faults():
        running.clear(fault_id)


def test_a_function_that_raises_fails_whoever_calls_it_and_is_well_afterwards(cloud: LocalCloud) -> None:
    """API, direct call and log say so; nothing it would have done is done."""
    fault = cloud.inject(FunctionFault(function="Function", mode="raises"))

    assert status(cloud, "order-1") == 502
    assert invoke(cloud)["errorType"] == "InjectedFault"
    groups = logs.log_groups("orders-function", ["us-east-1"], cloud.client)
    assert any("InjectedFault" in line for line in logs.lines(groups, cloud.client))

    cloud.clear(fault)
    assert status(cloud, "order-1") == 404


def test_a_function_that_cannot_be_loaded_fails_as_on_aws_and_starts_anew_afterwards(cloud: LocalCloud) -> None:
    """The environment that had loaded it is gone, as after a deployment."""
    before = environment(cloud)
    fault = cloud.inject(FunctionFault(function="orders-function", mode="unloadable", region="us-east-1"))

    error = invoke(cloud)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "index" in error["errorMessage"]

    cloud.clear(fault)
    assert environment(cloud) != before


def test_a_function_that_crashes_may_have_done_its_work_without_saying_so(cloud: LocalCloud) -> None:
    """The hardest of crashes: its process dies when it is done and has not answered."""
    before = environment(cloud)
    fault = cloud.inject(FunctionFault(function="Function", mode="crash", after=LATE))

    assert status(cloud, "", b"order-2") == 502
    assert invoke(cloud)["errorType"] == "Runtime.ExitError"

    cloud.clear(fault)
    assert eventually(lambda: status(cloud, "order-2") == 200)
    assert environment(cloud) != before


def test_a_record_survives_the_crashes_of_its_consumer(cloud: LocalCloud) -> None:
    """Killed at once and again and again; the mapping tries until it is done."""
    fault = cloud.inject(FunctionFault(function="Function", mode="crash", after=0.0))
    stream = cloud.stack("Orders").outputs["StreamName"]
    cloud.client("kinesis").put_record(StreamName=stream, Data=b"order-3", PartitionKey="3")

    assert invoke(cloud)["errorType"] == "Runtime.ExitError"
    cloud.clear(fault)
    assert eventually(lambda: status(cloud, "order-3") == 200)


def test_a_record_that_nobody_can_read_arrives_once(cloud: LocalCloud) -> None:
    """On the stream that is named."""
    cloud.inject(PoisonRecord(where="stream"))

    stored = partial(cloud.client("dynamodb").get_item, TableName="orders", Key={"id": {"S": UNREADABLE}})
    assert eventually(lambda: "Item" in stored())


def test_a_plan_is_carried_out_on_the_running_cloud(cloud: LocalCloud) -> None:
    """Faults begin and end when they are due, over the control API."""
    plan = """
        [[fault]]
        kind = "function"
        function = "Function"
        mode = "raises"
        at = "0s"
        for = "2s"
        """
    seen: list[str] = []

    def look(line: str) -> None:
        seen.append(f"{line.rsplit(maxsplit=1)[-1]} {status(cloud, 'order-4')}")

    play(read_faults(plan, name="plan"), FaultsClient(cloud.endpoint_url), progress=look)

    assert seen == ["begins 502", "ends 404"]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (FunctionFault(function="nobody", mode="raises"), "no function called 'nobody'; there are Orders-Function"),
        (PoisonRecord(where="nowhere"), "no stream or queue called 'nowhere'; there are Orders-"),
        (ThirdParty(where="", mode="down"), "must be a text"),
    ],
)
def test_what_is_not_here_cannot_be_broken(cloud: LocalCloud, fault: Any, sentence: str) -> None:
    """The message names what is."""
    assert sentence in (cloud.objection(fault) or "")
    with pytest.raises(LocalCloudError):
        cloud.inject(fault)


def status(cloud: LocalCloud, path: str, body: bytes | None = None) -> int:
    """The HTTP status of the app's answer."""
    url = cloud.local_url(cloud.stack("Orders").outputs["Url"])
    request = urllib.request.Request(f"{url}{path}", data=body, headers={"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def invoke(cloud: LocalCloud) -> Any:
    """What the function answers to an event that it can do without effect."""
    event = {"rawPath": "/environment", "requestContext": {"http": {"method": "GET"}}}
    name = cloud.stack("Orders").outputs["FunctionName"]
    return json.load(cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])


def environment(cloud: LocalCloud) -> str:
    """Tells one execution environment of the function from another."""
    name: str = json.loads(invoke(cloud)["body"])["AWS_LAMBDA_LOG_STREAM_NAME"]
    return name


def eventually(true: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether *true* becomes true within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (holds := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds
