"""Docstrings say what an option defaults to; the signature must say the same."""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import constructs_lib

OPTION = re.compile(r"^ {8}(\w+(?:, \w+)*):(.*(?:\n {12,}.*|\n(?=\n {12}))*)", re.MULTILINE)
DEFAULT = re.compile(r"Default: (.+?)\.(?:\s|$)", re.DOTALL)
# Defaults that are not a value but the absence of one.
NOTHING = re.compile(r"none|no |nothing|null")


def public_classes() -> Iterator[tuple[str, type]]:
    """Every construct and option class the library offers, with those that live beside them."""
    for name in constructs_lib.__all__:
        yield name, getattr(constructs_lib, name)
    for module, name in (
        ("alarms", "OperatorTopic"),
        ("multi_region_api", "ApiDomain"),
        ("quarantine", "Quarantine"),
    ):
        yield name, getattr(importlib.import_module(f"constructs_lib.{module}"), name)


def docstring(cls: type) -> str:
    """The docstring of *cls* as written, options indented by eight."""
    return cls.__doc__ or ""


@pytest.mark.parametrize(
    ("name", "cls"), list(public_classes()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_option_is_explained_with_its_default(name: str, cls: type) -> None:
    """An option without a word, or one whose number in the text is not the number in the code, misleads."""
    described: dict[str, str] = {}
    for names, text in OPTION.findall(docstring(cls)):
        described |= dict.fromkeys(names.split(", "), text)
    for option, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        assert option in described, f"{name}: option {option} is not explained"
        stated = DEFAULT.search(described[option])
        if parameter.default is inspect.Parameter.empty:
            assert stated is None, f"{name}.{option} is required, yet its text names a default"
            continue
        assert stated, f"{name}: the text of option {option} names no default"
        assert agrees(stated.group(1), parameter.default), f"{name}.{option}: {stated.group(1)!r}"


def agrees(stated: str, default: Any) -> bool:
    """Whether the words *stated* can mean the value *default*."""
    if default is None:
        # What stands behind None is made later: a duration, or nothing at all. Its own construct's tests compare it.
        return True
    if isinstance(default, bool):
        return stated == str(default)
    if isinstance(default, int):
        return re.match(rf"{default}\b", stated) is not None
    if isinstance(default, tuple | list | dict):
        return not default and NOTHING.match(stated) is not None
    return stated.strip("`'\"") == str(default)
