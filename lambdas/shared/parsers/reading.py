"""Reading JSON of strangers: what must be there is asked for, what may be there is taken if it fits."""

from collections.abc import Mapping
from typing import Any

from lambdas.shared import timestamps
from lambdas.shared.parsers.parsed import UnreadableError

_ARN_PARTS = 6


def needed(fields: Mapping[str, Any], *path: str) -> str:
    """The text at *path*.

    Raises:
        UnreadableError: There is none.
    """
    value = optional(fields, *path)
    if not value:
        raise UnreadableError(f"field '{'.'.join(path)}' is missing")
    return value


def optional(fields: Mapping[str, Any], *path: str) -> str:
    """The text or number at *path* as text; empty when there is neither."""
    value = at(fields, *path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return clean(str(value))


def at(fields: Any, *path: str) -> Any:
    """Whatever is at *path*; None when the path leads nowhere."""
    for name in path:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def listed(fields: Mapping[str, Any], *path: str) -> list[Any]:
    """The list at *path*; empty when there is none."""
    value = at(fields, *path)
    return value if isinstance(value, list) else []


def moment(text: str) -> str | None:
    """*text* in this system's form; None when it names no moment."""
    try:
        return timestamps.render(timestamps.parse(text))
    except (ValueError, OverflowError):
        return None


def arn_part(arn: str, index: int) -> str:
    """Part *index* of *arn* (1 partition, 2 service, 3 region, 4 account, 5 the rest); empty when it is no ARN."""
    parts = arn.split(":", _ARN_PARTS - 1)
    return parts[index] if len(parts) == _ARN_PARTS and parts[0] == "arn" else ""


def clean(text: str) -> str:
    """*text* without halves of characters, which JSON can spell and no AWS API accepts."""
    return text.encode(errors="replace").decode()


def one_line(text: str, limit: int) -> str:
    """*text* on one line of at most *limit* characters."""
    return shorten(" ".join(text.split()), limit)


def shorten(text: str, limit: int) -> str:
    """The beginning of *text*, at most *limit* characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
