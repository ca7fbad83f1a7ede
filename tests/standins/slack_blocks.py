"""What Slack accepts as blocks, and what they show.

Limits: https://docs.slack.dev/reference/block-kit/blocks.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.record import Button, Face

MOST_BLOCKS = 50
_LINK = re.compile(r"<(https?://[^|>]+)(?:\|[^>]*)?>")


def problems(blocks: object) -> list[str]:
    """Everything Slack would refuse about *blocks*."""
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= MOST_BLOCKS:
        return [f"must be a list of 1 to {MOST_BLOCKS} blocks"]
    found: list[str] = []
    for index, block in enumerate(blocks):
        check = _CHECKS.get(str(block.get("type"))) if isinstance(block, dict) else None
        if check is None:
            found.append(f"unsupported type [json-pointer:/blocks/{index}/type]")
        else:
            found += [f"{problem} [json-pointer:/blocks/{index}]" for problem in check(block)]
    identified = [each["action_id"] for block in blocks for each in _elements(block) if "action_id" in each]
    if len(identified) != len(set(identified)):
        found.append("action_id must be unique within a message")
    return found


def face(text: str, blocks: list[dict[str, Any]], payload: dict[str, Any]) -> Face:
    """What a message of *text* and *blocks* shows; *payload* is of its metadata."""
    header = next((block["text"]["text"] for block in blocks if block["type"] == "header"), text)
    sections = [block["text"]["text"] for block in blocks if block["type"] == "section" and "text" in block]
    links = [link for section in sections for link in _LINK.findall(section)]
    return Face(
        title=header,
        link=links[0].replace("&amp;", "&") if links else "",
        alert_id=str(payload.get("alert_id", "")),
        version=int(payload.get("version", 0)),
        count=int(payload.get("count", 0)),
        state=str(payload.get("state", "")),
        region=str(payload.get("region", "")),
        opened_at=str(payload.get("opened_at", "")),
        buttons=tuple(
            Button(action_id=each["action_id"], text=each["text"]["text"], value=each.get("value", ""))
            for block in blocks
            for each in _elements(block)
            if each.get("type") == "button" and "url" not in each
        ),
    )


def _elements(block: object) -> list[dict[str, Any]]:
    if not isinstance(block, dict) or block.get("type") != "actions" or not isinstance(block.get("elements"), list):
        return []
    return [each for each in block["elements"] if isinstance(each, dict)]


def _text(value: object, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(value, dict) or value.get("type") not in kinds or not isinstance(value.get("text"), str):
        return [f"must be a text object of type {' or '.join(kinds)}"]
    return [] if 1 <= len(value["text"]) <= limit else [f"must be 1 to {limit} characters"]


def _header(block: dict[str, Any]) -> list[str]:
    return _text(block.get("text"), 150, ("plain_text",))


def _section(block: dict[str, Any]) -> list[str]:
    fields = block.get("fields", [])
    if "text" not in block and not fields:
        return ["needs text or fields"]
    found = _text(block["text"], 3_000) if "text" in block else []
    if len(fields) > 10:
        found.append("must have at most 10 fields")
    return found + [problem for each in fields for problem in _text(each, 2_000)]


def _context(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 10:
        return ["must have 1 to 10 elements"]
    return [problem for each in elements for problem in _text(each, 2_000)]


def _actions(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 25:
        return ["must have 1 to 25 elements"]
    return [problem for each in elements for problem in _button(each)]


def _button(element: dict[str, Any]) -> list[str]:
    found = _text(element.get("text"), 75, ("plain_text",))
    if element.get("type") != "button":
        found.append("unsupported element")
    if not 1 <= len(element.get("action_id", "")) <= 255:
        found.append("action_id must be 1 to 255 characters")
    if len(element.get("value", "")) > 2_000:
        found.append("value must be at most 2000 characters")
    if element.get("style", "primary") not in ("primary", "danger"):
        found.append("style must be primary or danger")
    return found


_CHECKS: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": lambda _block: [],
}
