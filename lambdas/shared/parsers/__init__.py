"""From what was posted to one typed event; nothing after this parses again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from lambdas.shared.messages import MalformedMessageError, ReceivedEvent
from lambdas.shared.parsers import cloudwatch, eventbridge, generic, topics
from lambdas.shared.parsers.parsed import (
    LONGEST_ADDRESS,
    LONGEST_FIELD,
    LONGEST_TEXT,
    LONGEST_TITLE,
    ParsedEvent,
    State,
    UnreadableError,
)
from lambdas.shared.parsers.reading import one_line, shorten
from lambdas.shared.sns_message import UNSUBSCRIPTION, SnsMessage

__all__ = ["ParsedEvent", "State", "parse"]

_FORM = "application/x-www-form-urlencoded"
_BYTES_SHOWN = 200


def parse(event: ReceivedEvent) -> ParsedEvent:
    """What *event* says. One that nobody can read becomes an event that says so: it is never dropped."""
    try:
        parsed = _from_sns(event) if event.origin == "sns" else _from_http(event)
    except UnreadableError as error:
        parsed = _unreadable(event, str(error))
    # Nesting that the parser just bears is too deep for what comes after it.
    except RecursionError:
        parsed = _unreadable(event, "its JSON is nested too deeply")
    return _bounded(parsed)


def _from_sns(event: ReceivedEvent) -> ParsedEvent:
    try:
        message = SnsMessage.parse(event.raw)
    except MalformedMessageError as error:
        raise UnreadableError("the SNS message lacks a field") from error
    if message.type == UNSUBSCRIPTION:
        return topics.unsubscribed(message)
    value = _json(message.signed["Message"])
    if isinstance(value, Mapping):
        return _from_object(value, where=message.topic)
    return topics.from_text(message)


def _from_http(event: ReceivedEvent) -> ParsedEvent:
    if not event.raw:
        return generic.from_fields(event.parameters)
    try:
        text = event.raw.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("the body is not text in UTF-8") from error
    if event.content_type == _FORM and (form := dict(parse_qsl(text))):
        return generic.from_fields({**event.parameters, **form})
    value = _json(text)
    if isinstance(value, Mapping):
        return _from_object({**event.parameters, **value})
    if _says_json(event.content_type):
        if value is None and text.strip() != "null":
            raise UnreadableError("the body says it is JSON and is not")
        return generic.from_json_value(value)
    if event.parameters:
        return generic.from_fields({"text": text, **event.parameters})
    return generic.from_text(text)


def _from_object(value: Mapping[str, Any], *, where: str = "") -> ParsedEvent:
    if "AlarmName" in value and "NewStateValue" in value:
        return cloudwatch.from_action(value)
    if eventbridge.matches(value):
        return eventbridge.parse(value)
    return generic.from_fields(value, where=where)


def _bounded(parsed: ParsedEvent) -> ParsedEvent:
    """*parsed* with nothing in it too long to be stored and shown; half an address or id would be another one."""
    fields = (parsed.service, parsed.account, parsed.region, parsed.resource)
    service, account, region, resource = (shorten(field, LONGEST_FIELD) for field in fields)
    return replace(
        parsed,
        title=one_line(parsed.title, LONGEST_TITLE),
        text=shorten(parsed.text, LONGEST_TEXT),
        service=service,
        account=account,
        region=region,
        resource=resource,
        page=parsed.page if len(parsed.page_id) <= LONGEST_FIELD else "",
        links=tuple(link for link in parsed.links if len(link.url) <= LONGEST_ADDRESS),
        copy_id=parsed.copy_id if len(parsed.copy_id or "") <= LONGEST_FIELD else None,
    )


def _unreadable(event: ReceivedEvent, reason: str) -> ParsedEvent:
    beginning = repr(event.raw[:_BYTES_SHOWN])[1:]
    return ParsedEvent(
        family="unreadable",
        service="generic",
        title="An event came that could not be read",
        text=f"Why: {reason}.\nIt has {len(event.raw)} bytes and is kept as it came. It begins: {beginning}",
        series=(event.endpoint, reason),
        unreadable=reason,
    )


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():
            # It may spell half a character, which nothing after this can store.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    # Deep nesting exhausts the parser's stack: unreadable like any other text.
    except (ValueError, RecursionError):
        return None
    return value


def _says_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")
