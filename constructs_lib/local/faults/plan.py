"""Fault plans: what fails, where, how, from when and for how long, read from TOML.

    [[fault]]
    what = "third-party"
    where = "slack"
    mode = "throttled"
    retry_after = "2s"
    at = "30s"
    for = "1m"
    every = "5m"
    times = 3

`at` counts from the start of the plan. With `every` and `times` the fault comes back. The kinds and their keys are the
classes of `plan_kinds`.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.plan_kinds import KINDS, Fault, Partition
from constructs_lib.local.faults.plan_reading import PlanTable, choice

_TIMES = ("at", "for", "every", "times")


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
        return tuple((begin, begin + self.lasts) for begin in begins)


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


def read_faults(text: str, *, name: str, regions: Sequence[str] | None = None) -> tuple[PlannedFault, ...]:
    """The faults of a plan that holds nothing else.

    Args:
        text: The plan, TOML.
        name: What errors call it, for instance its file name.
        regions: The regions there are. Default: any is taken.

    Raises:
        LocalCloudError: It cannot be read; the message names the place, what stands there and what is allowed.
    """
    plan = PlanTable(parse(text, name=name), name)
    plan.allow("fault")
    return planned_faults(plan.tables("fault"), regions=regions)


def parse(text: str, *, name: str) -> dict[str, Any]:
    """TOML as Python has it.

    Raises:
        LocalCloudError: It is none.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LocalCloudError(f"{name} is not TOML: {error}.") from error


def planned_faults(tables: Iterable[PlanTable], *, regions: Sequence[str] | None = None) -> tuple[PlannedFault, ...]:
    """The faults that the `[[fault]]` *tables* of a plan describe; see `read_faults`."""
    return tuple(_planned(table, regions) for table in tables)


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


def _planned(table: PlanTable, regions: Sequence[str] | None) -> PlannedFault:
    kind = KINDS[choice(table, "what", tuple(KINDS))]
    own = {field.name: field for field in fields(kind)}
    table.allow("what", *own, *_TIMES)
    given: dict[str, Any] = {"where": _where(table, kind, regions), "mode": choice(table, "mode", kind.MODES)}
    for name in own.keys() - given.keys():
        if name in table.values:
            given[name] = table.region(name, regions) if name == "region" else table.seconds(name)
    every = table.seconds("every") if "every" in table.values else 0.0
    times = table.count("times") if "times" in table.values else 1
    lasts = table.seconds("for")
    if (every > 0) != (times > 1):
        raise table.error("every", table.values.get("every"), "a time, together with `times` of at least 2")
    if 0 < every < lasts:
        raise table.error("every", table.values["every"], f"at least as long as `for`, {table.values['for']}")
    return PlannedFault(fault=kind(**given), at=table.seconds("at"), lasts=lasts, every=every, times=times)


def _where(table: PlanTable, kind: type[Fault], regions: Sequence[str] | None) -> object:
    if kind is Partition:
        pair = table.values.get("where")
        if not (isinstance(pair, list) and len(pair) == 2 and pair[0] != pair[1]):
            raise table.error("where", pair, "a list of two different regions")
        return tuple(choice(_named(table, each), "where", regions) for each in pair)
    return table.region("where", regions) if kind is KINDS["region"] else table.text("where")


def _named(table: PlanTable, value: object) -> PlanTable:
    values: Mapping[str, Any] = {"where": value}
    return PlanTable(values, table.place)
