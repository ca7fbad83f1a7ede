"""Fault plans: a schedule of faults, read from TOML.

    [[fault]]
    kind = "third-party"
    where = "slack"
    mode = "throttled"
    retry_after = "2s"
    at = "30s"
    for = "1m"
    every = "5m"
    times = 3

`kind` and its keys are those of `model`: exactly the faults that can be begun by hand. `at` counts from the start of the
plan. With `every` and `times` the fault comes back.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import KINDS, Fault
from constructs_lib.local.faults.notation import attribute_types, from_json
from constructs_lib.local.faults.plan_reading import PlanTable, choice

_TIMES = ("at", "for", "every", "times")
_OF_DRILLS = ("subject", "summary", "load", "promises")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault with its times, all in seconds.

    Attributes:
        fault: What fails, where and how.
        at: From the start of the plan to the first time it begins.
        lasts: How long it lasts each time.
        every: From one beginning to the next; 0 when it comes once.
        times: How often it comes.
    """

    fault: Fault
    at: float
    lasts: float
    every: float = 0.0
    times: int = 1

    def windows(self) -> tuple[tuple[float, float], ...]:
        """Beginning and end of each time, counted from the start of the plan."""
        begins = (self.at + self.every * number for number in range(self.times))
        # To the millisecond, so that an end and a beginning that are meant to be one moment are.
        return tuple((round(begin, 3), round(begin + self.lasts, 3)) for begin in begins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment at which something changes.

    Attributes:
        at: Seconds from the start of the plan.
        action: What is done with the fault.
        fault: Which one.
    """

    at: float
    action: Literal["start", "stop"]
    fault: Fault


def read_faults(text: str, *, name: str) -> tuple[PlannedFault, ...]:
    """The faults of a plan, be it one of faults only or a drill's.

    Args:
        text: The plan, TOML.
        name: What errors call it, for instance its file name.

    Raises:
        LocalCloudError: It cannot be read; the message names the place, what stands there and what is allowed.
    """
    plan = PlanTable(parse(text, name=name), name)
    plan.allow("fault", *_OF_DRILLS)
    return planned_faults(plan.tables("fault"))


def read_file(path: Path) -> str:
    """The text of the plan in the file *path*.

    Raises:
        LocalCloudError: There is none, or it cannot be read; the message names the plans beside it.
    """
    try:
        return path.read_text()
    except OSError as error:
        there = ", ".join(sorted(str(each) for each in path.parent.glob("*.toml"))) or "none"
        raise LocalCloudError(f"{path} cannot be read ({error.strerror}); plans beside it: {there}.") from error


def parse(text: str, *, name: str) -> dict[str, Any]:
    """TOML as Python has it.

    Raises:
        LocalCloudError: It is none.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LocalCloudError(f"{name} is not TOML: {error}.") from error


def planned_faults(tables: Iterable[PlanTable]) -> tuple[PlannedFault, ...]:
    """The faults that the `[[fault]]` *tables* of a plan describe; see `read_faults`."""
    return tuple(map(_planned, tables))


def schedule(plan: Iterable[PlannedFault]) -> tuple[Step, ...]:
    """Everything that is to be done, in order; at the same moment faults end before others begin."""
    steps = [
        step
        for planned in plan
        for begin, end in planned.windows()
        for step in (
            Step(at=begin, action="start", fault=planned.fault),
            Step(at=end, action="stop", fault=planned.fault),
        )
    ]
    return tuple(sorted(steps, key=lambda step: (step.at, step.action == "start")))


def _planned(table: PlanTable) -> PlannedFault:
    types = attribute_types(choice(table, "kind", tuple(KINDS)))
    table.allow("kind", *types, *_TIMES)
    every = table.seconds("every") if "every" in table.values else 0.0
    times = table.count("times") if "times" in table.values else 1
    lasts = table.seconds("for")
    if (every > 0) != (times > 1):
        raise table.error("every", table.values.get("every"), "a time, together with `times` of at least 2")
    if 0 < every < lasts:
        raise table.error("every", table.values["every"], f"at least as long as `for`, {table.values['for']}")
    return PlannedFault(fault=_fault(table, types), at=table.seconds("at"), lasts=lasts, every=every, times=times)


def _fault(table: PlanTable, types: Mapping[str, Any]) -> Fault:
    given = {
        name: table.seconds(name) if types.get(name) is float else value
        for name, value in table.values.items()
        if name not in _TIMES
    }
    try:
        return from_json(given)
    except LocalCloudError as error:
        raise LocalCloudError(f"{table.place}: {error}") from error
