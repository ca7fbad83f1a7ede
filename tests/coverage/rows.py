"""The requirements as data: tests/requirements.toml, read and checked."""

import tomllib
from dataclasses import dataclass

LONGEST_LINE = 140


class CoverageError(Exception):
    """The rows, the marks and the page do not fit together; the message says where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row: what the product promises, and what its tests leave unproven."""

    id: str
    area: str
    priority: int
    statement: str
    missing: str = ""


def parse(text: str) -> tuple[Requirement, ...]:
    """Every requirement in *text*, in the order written, which is the order of the page.

    Raises:
        CoverageError: If *text* is not TOML, or a row has a wrong key, a wrong value or an id that is taken.
    """
    try:
        areas = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CoverageError(f"tests/requirements.toml is not valid TOML: {error}") from error
    rows: dict[str, Requirement] = {}
    for area, entries in areas.items():
        if not isinstance(entries, dict):
            raise CoverageError(
                f"tests/requirements.toml: {area} is not in an area; write [Area.{area}] above its keys."
            )
        for id_, fields in entries.items():
            if id_ in rows:
                raise CoverageError(f"tests/requirements.toml has {id_} twice: in {rows[id_].area!r} and in {area!r}.")
            rows[id_] = _row(area, id_, fields)
    return tuple(rows.values())


def _row(area: str, id_: str, fields: object) -> Requirement:
    where = f"tests/requirements.toml: {id_}"
    if not isinstance(fields, dict):
        raise CoverageError(f"{where} is no table; write [{area}.{id_}] above its keys.")
    if unknown := sorted(fields.keys() - {"priority", "statement", "missing"}):
        raise CoverageError(f"{where} has {', '.join(unknown)}; a row has priority, statement and perhaps missing.")
    if (priority := fields.get("priority")) not in (1, 2, 3):
        raise CoverageError(f"{where} has priority {priority!r}; it is 1 (first), 2 or 3.")
    return Requirement(
        id=id_,
        area=area,
        priority=priority,
        statement=_line(where, "statement", fields.get("statement")),
        missing=_line(where, "missing", fields["missing"]) if "missing" in fields else "",
    )


def _line(where: str, key: str, value: object) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= LONGEST_LINE and "\n" not in value:
        return value
    raise CoverageError(f"{where} has {key} {value!r}; it is one line of 1 to {LONGEST_LINE} characters.")
