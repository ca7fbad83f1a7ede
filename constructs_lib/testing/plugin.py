"""pytest plugin of the `testing` extra: `pip install constructs-lib[testing]` makes these fixtures available.

The app under test is named once, in pytest's configuration:

    [tool.pytest.ini_options]
    cdk_app = "python app.py"
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from constructs_lib.testing.assembly import Assembly


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting that names the app."""
    parser.addini("cdk_app", "Command that synthesizes the CDK app under test.", default="python app.py")


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
