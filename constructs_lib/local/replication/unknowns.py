"""What the documentation of global tables leaves open, as choices; each one is tested.

docs/conformance/global-tables.md says what is open in each of them. The first choice of every one is the usual one.
"""

from dataclasses import dataclass, fields, replace
from enum import Enum, auto
from typing import Any


class TieBreak(Enum):
    """Which of two writes of the same moment, in different regions, is the last one."""

    HIGHER_REGION = auto()
    LOWER_REGION = auto()


class Backlog(Enum):
    """What is written elsewhere when several changes of one item wait."""

    EVERY_CHANGE = auto()
    NEWEST_ONLY = auto()


class UnchangedWrite(Enum):
    """Whether a write that leaves its item as it was makes that item newer than what other regions wrote before."""

    IS_NO_CHANGE = auto()
    IS_NEWER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowns:
    """One choice for everything that is open."""

    tie_break: TieBreak = TieBreak.HIGHER_REGION
    backlog: Backlog = Backlog.EVERY_CHANGE
    unchanged_write: UnchangedWrite = UnchangedWrite.IS_NO_CHANGE


def choices(unknown: str) -> tuple[Any, ...]:
    """Every choice for the field *unknown* of `Unknowns`, the usual one first."""
    kind: type[Enum] = type(getattr(Unknowns(), unknown))
    return tuple(kind)


def variants() -> tuple[Unknowns, ...]:
    """The usual choices, then each other choice by itself."""
    usual = Unknowns()
    others = [replace(usual, **{item.name: choice}) for item in fields(Unknowns) for choice in choices(item.name)[1:]]
    return (usual, *others)
