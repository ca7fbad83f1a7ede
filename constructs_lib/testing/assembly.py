"""A synthesized app as tests look at it: templates by stack name."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Template = Mapping[str, Any]


class SynthesisError(RuntimeError):
    """The app could not be synthesized; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A cloud assembly on disk.

    Attributes:
        directory: Where it lies.
    """

    directory: Path

    @property
    def templates(self) -> dict[str, Template]:
        """CloudFormation templates by stack name, in the order of the manifest."""
        manifest = json.loads((self.directory / "manifest.json").read_text())
        return {
            artifact["properties"].get("stackName", name): json.loads(
                (self.directory / artifact["properties"]["templateFile"]).read_text()
            )
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        }


def synthesize(command: str, *, directory: Path, output: Path, context: Mapping[str, object] | None = None) -> Assembly:
    """Run a CDK app in a process of its own, as the CDK CLI does, and return what it wrote.

    Args:
        command: How the app is started, such as `python app.py`; `python` is the running interpreter.
        directory: The app's folder; context of a `cdk.json` there is handed to the app.
        output: Folder for the assembly.
        context: More context, which wins over that of `cdk.json`. Default: none.

    Raises:
        SynthesisError: If the app ends with an error.
    """
    settings = directory / "cdk.json"
    given = json.loads(settings.read_text()).get("context", {}) if settings.exists() else {}
    program, *arguments = shlex.split(command)
    if program in ("python", "python3"):
        program = sys.executable
    done = subprocess.run(
        [program, *arguments],
        cwd=directory,
        env=os.environ | {"CDK_OUTDIR": str(output), "CDK_CONTEXT_JSON": json.dumps({**given, **(context or {})})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SynthesisError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return Assembly(output)
