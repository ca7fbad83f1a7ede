"""The page on faults: what it says can be done."""

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from constructs_lib import cli
from constructs_lib.local.faults.model import KINDS
from constructs_lib.local.faults.notation import attribute_types
from constructs_lib.local.faults.plan import read_faults

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(PLAN,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROWS = {
    kind: set(re.findall(r"`([^`]+)`", takes))
    for kind, takes in re.findall(r"^\| `([\w-]+)` \| ([^|]*) \|", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_with_all_it_takes(kind: str) -> None:
    """Attributes and modes, no more and no less."""
    types = attribute_types(kind)
    modes = {mode for each in types.values() if get_origin(each) is Literal for mode in get_args(each)}

    assert ROWS[kind] == {field.name for field in fields(KINDS[kind])} | modes


def test_no_kind_is_told_that_is_not_there() -> None:
    """A reader tries what stands here."""
    assert set(ROWS) == set(KINDS)


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_every_command_is_understood(command: str) -> None:
    """Each gets as far as looking for a local cloud."""
    name, *arguments = shlex.split(command)

    assert name == "resilience"
    cli._parser().parse_args(arguments)


def test_the_plan_can_be_read() -> None:
    """With all its faults."""
    assert [len(planned.windows()) for planned in read_faults(PLAN, name="page")] == [3, 1]
