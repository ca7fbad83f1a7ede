"""Events of senders nobody knows: JSON, forms, query strings and text.

Two of them are similar when their content is the same, in whatever order its fields come, or when they bear the same
alert key. What a sender calls `title`, `severity` and so on is taken as such.
"""

import json
from collections.abc import Mapping
from typing import Any

from lambdas.shared.alert import Link
from lambdas.shared.parsers.parsed import LONGEST_TEXT, ParsedEvent
from lambdas.shared.parsers.reading import clean, moment, optional, shorten

FAMILY = "generic"
_TITLES = ("title", "subject", "summary", "name", "message", "text")
_TEXTS = ("description", "message", "text", "body", "details")
_TIMES = ("time", "timestamp", "occurred_at")
_LINKS = ("link", "url")
_SEVERITIES = ("critical", "high", "medium", "low")


def from_fields(fields: Mapping[str, Any], *, where: str = "") -> ParsedEvent:
    """Named values. *where*: what tells equal content of two senders apart."""
    title_from = next((name for name in _TITLES if optional(fields, name)), "")
    text = next((found for name in _TEXTS if name != title_from and (found := optional(fields, name))), "")
    link = next((found for name in _LINKS if (found := optional(fields, name)).startswith("https://")), "")
    severity = optional(fields, "severity").lower()
    return ParsedEvent(
        family=FAMILY,
        service=optional(fields, "service") or "generic",
        title=optional(fields, title_from) or "Event without a title",
        text=shorten(text or _dump(fields), LONGEST_TEXT),
        series=(where, _canonical(fields)),
        account=optional(fields, "account"),
        region=optional(fields, "region"),
        resource=optional(fields, "resource"),
        severity=severity if severity in _SEVERITIES else "",
        occurred_at=next((when for name in _TIMES if (when := moment(optional(fields, name)))), None),
        traits={"kind": optional(fields, "kind").lower()},
        links=(Link(title="Link of the sender", url=link),) if link else (),
    )


def from_json_value(value: Any, *, where: str = "") -> ParsedEvent:
    """JSON that names nothing: a list, a number, a text."""
    return _plain("Event without a title", shorten(_dump(value), LONGEST_TEXT), _canonical(value), where)


def from_text(text: str, *, title: str = "", where: str = "") -> ParsedEvent:
    """Text; its first line is the title unless one is given."""
    first, _, rest = text.strip().partition("\n")
    details = text.strip() if title else rest.strip()
    return _plain(
        title or first or "Event without text", shorten(details, LONGEST_TEXT), text.strip(), f"{where}|{title}"
    )


def _plain(title: str, text: str, content: str, where: str) -> ParsedEvent:
    return ParsedEvent(family=FAMILY, service="generic", title=title, text=text, series=(where, content))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _dump(value: Any) -> str:
    return clean(json.dumps(value, indent=1, ensure_ascii=False))
