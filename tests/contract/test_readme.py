"""The README: what it shows is what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from constructs_lib.testing.assembly import synthesize

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
QUOTED = re.findall(r"^```python file=(\S+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/app.py"))


@pytest.mark.parametrize(("file", "code"), QUOTED, ids=[file for file, _ in QUOTED])
def test_quoted_code_is_the_code_of_the_example(file: str, code: str) -> None:
    """A reader copies what a test has run."""
    assert code in (ROOT / file).read_text()


def test_every_command_exists() -> None:
    """`./dev` knows each command that the README names."""
    known = subprocess.run([sys.executable, str(ROOT / "dev"), "--help"], capture_output=True, text=True, check=True)
    commands = set(re.findall(r"^    (\w+) ", known.stdout, re.MULTILINE))
    assert set(re.findall(r"\./dev (\w+)", README)) <= commands


def test_every_link_leads_somewhere() -> None:
    """No link of the README points at a file that is gone."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_synthesizes(example: Path, tmp_path: Path) -> None:
    """Each example is a whole CDK app."""
    assembly = synthesize("python app.py", directory=example, output=tmp_path, context={"aws:cdk:bundling-stacks": []})
    assert assembly.templates


def test_the_ten_lines_are_about_ten() -> None:
    """The first example stays short enough to be read at a glance."""
    _, code = QUOTED[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
