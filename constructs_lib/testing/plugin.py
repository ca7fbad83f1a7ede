"""pytest plugin of the `testing` extra: `pip install constructs-lib[testing]` makes these fixtures available.

The app under test is named once, in pytest's configuration:

    [tool.pytest.ini_options]
    cdk_app = "python app.py"

With the extra `local` beside it, tests can also run the app on this machine, and break it:

    from constructs_lib.testing.faults import OperationFault
    from constructs_lib.testing.waiting import eventually

    def test_orders_wait_while_the_table_is_throttled(local_cloud, faults):
        throttled = OperationFault(region="us-east-1", service="dynamodb", operation="PutItem", mode="throttled")
        fault_id = faults.inject(throttled)
        order(local_cloud, "lamp")
        assert not eventually(lambda: stored(local_cloud, "lamp"), seconds=2)
        faults.clear(fault_id)
        assert eventually(lambda: stored(local_cloud, "lamp"))
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from constructs_lib.local.cloud import LocalCloud
    from constructs_lib.local.faults.control import FaultControl
    from constructs_lib.testing.assembly import Assembly


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting that names the app."""
    parser.addini("cdk_app", "Command that synthesizes the CDK app under test.", default="python app.py")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of tests that start the local cloud."""
    config.addinivalue_line("markers", "local_cloud: the test starts the local cloud (minutes, not seconds)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that asks for the local cloud, so that `-m "not local_cloud"` runs the quick ones only."""
    for item in items:
        if "local_cloud" in getattr(item, "fixturenames", ()):
            item.add_marker("local_cloud")


@pytest.fixture(scope="session")
def cdk_app(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> "Assembly":
    """The app, synthesized once per test run with the context of its `cdk.json`."""
    from constructs_lib.testing.assembly import synthesize  # noqa: PLC0415 - a plugin must load in no time

    return synthesize(
        str(pytestconfig.getini("cdk_app")),
        directory=Path(pytestconfig.rootpath),
        output=tmp_path_factory.mktemp("cdk") / "cdk.out",
    )


@pytest.fixture
def template_snapshot(snapshot: "SnapshotAssertion") -> "SnapshotAssertion":
    """Compares a template with its snapshot file: `assert template == template_snapshot`."""
    from constructs_lib.testing.snapshots import TemplateSnapshotExtension  # noqa: PLC0415

    return snapshot.use_extension(TemplateSnapshotExtension)


@pytest.fixture(scope="session")
def local_cloud_options() -> Mapping[str, Any]:
    """More keyword arguments of `constructs_lib.local.cloud.LocalCloud`; override it in a conftest.py to give some.

        @pytest.fixture(scope="session")
        def local_cloud_options():
            return {"region": "eu-west-1", "context": {"stage": "test"}}

    Default: none, which is a free port, a temporary folder, and the app that `cdk_app` names.
    """
    return {}


@pytest.fixture(scope="session")
def local_cloud(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, local_cloud_options: Mapping[str, Any]
) -> "Iterator[LocalCloud]":
    """The app, deployed to AWS on this machine; started by the first test that asks for it, stopped after the last.

    `local_cloud.client("sqs")` is a boto3 client, `local_cloud.stack("Orders").outputs` what a stack gives out,
    `local_cloud.local_url(url)` where an API answers. What one test leaves in the app's tables and queues, the next one
    finds; with pytest-xdist each worker starts a cloud of its own.
    """
    from constructs_lib.testing.local import running  # noqa: PLC0415 - a plugin must load in no time

    with running(
        str(pytestconfig.getini("cdk_app")),
        directory=Path(pytestconfig.rootpath),
        work_directory=tmp_path_factory.mktemp("local-cloud"),
        options=local_cloud_options,
    ) as cloud:
        yield cloud


@pytest.fixture
def faults(local_cloud: "LocalCloud") -> "Iterator[FaultControl]":
    """Breaks the local cloud for one test: whatever it begins ends with it, the latest first.

    `faults.inject(fault)` begins one of `constructs_lib.testing.faults` and gives its id, `faults.clear(fault_id)` ends it;
    `faults.lose_region("eu-west-1")`, `faults.partition("us-east-1", "eu-west-1")` and their opposites are short for some.
    """
    from constructs_lib.testing.local import restored  # noqa: PLC0415 - as above

    with restored(local_cloud) as control:
        yield control
