"""The pytest fixtures, as the author of another app meets them: a folder of theirs, the plugin installed, nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from constructs_lib.local import processes

APP = """\
import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_, aws_sqs as sqs

stack = cdk.Stack(app := cdk.App(), "Greeting")
queue = sqs.Queue(stack, "Queue", queue_name=f"greetings-{app.node.try_get_context('stage')}")
code = lambda_.Code.from_inline("def handle(event, context): return f'hello {event}'")
function = lambda_.Function(
    stack, "Function", runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handle", code=code, function_name="greet"
)
cdk.CfnOutput(stack, "QueueUrl", value=queue.queue_url)
app.synth()
"""

OPTIONS = """\
import pytest

@pytest.fixture(scope="session")
def local_cloud_options():
    return {"region": "eu-west-1", "context": {"stage": "test"}}
"""

TESTS = """\
import pytest

from constructs_lib.testing.faults import OperationFault

def test_the_function_greets(local_cloud):
    answer = local_cloud.client("lambda").invoke(FunctionName="greet", Payload=b'"you"')
    assert answer["Payload"].read() == b'"hello you"'

def test_the_queue_fails(local_cloud, faults):
    fault = OperationFault(region="eu-west-1", service="sqs", operation="SendMessage", mode="failed")
    faults.inject(fault)
    with pytest.raises(Exception, match="SendMessage"):
        send(local_cloud)

def test_the_queue_works_again(local_cloud):
    assert local_cloud.faults() == {}
    assert send(local_cloud).endswith("/greetings-test")

def test_the_same_cloud_serves_all(local_cloud, pytestconfig):
    group = (local_cloud.work_directory / "emulator" / "emulator.pid").read_text()
    (pytestconfig.rootpath / "group").write_text(group)

def send(local_cloud):
    url = local_cloud.stack("Greeting").outputs["QueueUrl"]
    local_cloud.client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    return url
"""

WITHOUT_THE_EXTRA = """\
import sys

sys.modules["boto3"] = None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "conftest.py").write_text(OPTIONS)
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.mark.local_cloud
def test_an_app_elsewhere_is_tested_on_the_local_cloud(folder: Path) -> None:
    """Deployed once with the options of its conftest.py, broken for one test only, and nothing of it stays behind."""
    done = run(folder)

    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert processes.members(int((folder / "group").read_text())) == {}


@pytest.mark.local_cloud
def test_an_app_that_does_not_synthesize_is_shown_with_what_it_said(folder: Path) -> None:
    """Each test fails with one sentence; what the app printed stands above it."""
    (folder / "app.py").write_text("raise SystemExit('no such stage')")
    done = run(folder)

    assert "4 errors" in done.stdout
    assert "The local cloud did not start: The app could not be synthesized" in done.stdout
    assert "no such stage" in done.stdout


def test_quick_tests_can_be_run_alone(folder: Path) -> None:
    """A test that asks for the local cloud, by itself or by `faults`, has a mark to leave it out by."""
    quick = "def test_quick():\n    pass\n\ndef test_broken(faults):\n    pass\n"
    (folder / "test_quick.py").write_text(quick)
    done = run(folder, "--strict-markers", "-m", "not local_cloud")

    assert "1 passed, 5 deselected" in done.stdout, done.stdout + done.stderr


def test_a_missing_extra_is_one_sentence(folder: Path) -> None:
    """Where boto3 is not installed, the tests fail and say how to get it; they do not pass by being skipped."""
    (folder / "conftest.py").write_text(WITHOUT_THE_EXTRA)
    done = run(folder)

    assert "4 errors" in done.stdout
    assert "local_cloud needs boto3; install constructs-lib[local,testing]." in done.stdout


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest with *options* in *folder*, with this environment's plugin and none of this project's configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        capture_output=True,
        text=True,
        check=False,
    )
