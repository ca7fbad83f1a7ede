"""Reading a plan's tables in such a way that every error says where, what was given and what is allowed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.errors import LocalCloudError

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class PlanTable:
    """One table of a plan.

    Attributes:
        values: Its keys and values.
        place: What errors call it.
    """

    values: Mapping[str, Any]
    place: str

    def allow(self, *names: str) -> None:
        """Take these keys and no others.

        Raises:
            LocalCloudError: There is another one.
        """
        for name in self.values:
            if name not in names:
                raise LocalCloudError(f"{self.place}: {name!r} is not known here; allowed are {', '.join(names)}.")

    def error(self, name: str, given: object, allowed: str) -> LocalCloudError:
        """The error for the key *name*, for the caller to raise."""
        said = f"is {given!r}" if name in self.values else "is missing"
        return LocalCloudError(f"{self.place}: {name!r} {said}; it must be {allowed}.")

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.error(name, value, "a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when it is not there."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error(name, value, "a list of texts")
        return tuple(value)

    def seconds(self, name: str) -> float:
        """A time such as "400ms", "30s", "1.5m" or "1h", in seconds."""
        value = self.values.get(name)
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self.error(name, value, 'a time such as "400ms", "30s", "2m" or "1h"')
        return float(match["number"]) * _SECONDS[match["unit"]]

    def count(self, name: str, *, least: int = 1) -> int:
        """A whole number."""
        value = self.values.get(name)
        if type(value) is not int or value < least:
            raise self.error(name, value, f"a whole number from {least}")
        return value

    def table(self, name: str) -> "PlanTable":
        """A table inside; empty when it is not there."""
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise self.error(name, value, f"a table: [{name}]")
        return PlanTable(value, f"{self.place} [{name}]")

    def tables(self, name: str) -> Iterator["PlanTable"]:
        """The tables of a list `[[name]]`, numbered from 1 in errors."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(name, value, f"a list of tables: [[{name}]]")
        for number, each in enumerate(value, start=1):
            yield PlanTable(each, f"{self.place} [[{name}]] {number}")


def choice(table: PlanTable, name: str, allowed: Sequence[str]) -> str:
    """The text at *name*, which must be one of *allowed*.

    Raises:
        LocalCloudError: It is not; the message names those that are.
    """
    value = table.values.get(name)
    if value not in allowed:
        raise table.error(name, value, f"one of {', '.join(allowed)}")
    return str(value)
