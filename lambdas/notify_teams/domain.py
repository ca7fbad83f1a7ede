"""An alert as a Teams activity with an Adaptive Card, and what the connector's answers mean.

Activities: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference.
"""

import json
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from lambdas.shared import timestamps
from lambdas.shared.alert import Alert
from lambdas.shared.presentation import facts, headline, record_of, shorten, state_of

# Teams takes 28 KB for a message; the room left is for what the connector adds.
CARD_BYTES = 24 * 1024
TITLE_LIMIT = 300
TEXT_LIMIT = 4_000
VALUE_LIMIT = 1_000
LINK_LIMIT = 2_000
MOST_LINKS = 5

CARD = "application/vnd.microsoft.card.adaptive"

# Activities may carry entities of anybody's type, an IRI; receivers pass over those they do not know.
RECORD_TYPE = "urn:alerting:alert"
PAGE_TYPE = "urn:alerting:page"


class Meaning(Enum):
    """How far an answer of the connector reaches."""

    DONE = auto()
    """The call had its effect."""
    DEPENDENCY = auto()
    """Teams has trouble, or the app's own standing with it, which all tenants share."""
    TENANT = auto()
    """This conversation has to wait."""
    CREDENTIALS = auto()
    """The access token does not serve; there may be a newer one."""
    GONE = auto()
    """The activity is not there."""
    PERMANENT = auto()
    """The same call will never succeed."""


def meaning_of(status: int, code: str) -> Meaning:
    """How far an answer with that HTTP status and error code reaches.

    Statuses to repeat: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit.
    """
    if 200 <= status < 300:
        return Meaning.DONE
    if status in (412, 429):
        return Meaning.TENANT
    if status == 401:
        return Meaning.CREDENTIALS
    if status == 404 and "activity" in code.lower():
        return Meaning.GONE
    return Meaning.PERMANENT if 400 <= status < 500 and status != 408 else Meaning.DEPENDENCY


def activity_of(alert: Alert, *, region: str) -> dict[str, Any]:
    """The message about *alert*, sent from *region*."""
    return {
        "type": "message",
        "summary": shorten(f"{headline(alert)} ({state_of(alert)})", TITLE_LIMIT),
        "attachments": [{"contentType": CARD, "content": card_of(alert, region=region)}],
        "entities": [{"type": RECORD_TYPE, **record_of(alert, region=region)}],
    }


def page_of(alert: Alert, *, level: int) -> dict[str, Any]:
    """What calls people to the message, as a reply to it."""
    text = f"Nobody has acknowledged this yet: {shorten(alert.summary.title, TITLE_LIMIT)}"
    return {
        "type": "message",
        "text": text,
        "textFormat": "plain",
        "summary": text,
        # Shows up in the activity feed of whoever is in the conversation.
        "channelData": {"notification": {"alert": True}},
        "entities": [{"type": PAGE_TYPE, "alert_id": alert.alert_id, "level": level}],
    }


def card_of(alert: Alert, *, region: str) -> dict[str, Any]:
    """The card: as much of the details as fits."""
    for text_limit in (TEXT_LIMIT, TEXT_LIMIT // 8):
        for value_limit, most_links in ((VALUE_LIMIT, MOST_LINKS), (VALUE_LIMIT // 8, 1)):
            card = _card(alert, region, text_limit=text_limit, value_limit=value_limit, most_links=most_links)
            if len(json.dumps(card)) <= CARD_BYTES:
                return card
    return _card(alert, region, text_limit=0, value_limit=VALUE_LIMIT // 8, most_links=0)


def _card(alert: Alert, region: str, *, text_limit: int, value_limit: int, most_links: int) -> dict[str, Any]:
    text = shorten(alert.summary.text, text_limit) if text_limit else ""
    links = [link for link in alert.summary.links if len(link.url) <= LINK_LIMIT][:most_links]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _text(shorten(headline(alert), TITLE_LIMIT)) | {"size": "large", "weight": "bolder", "style": "heading"},
            *([_text(text)] if text.strip() else []),
            {
                "type": "FactSet",
                "facts": [
                    {"title": title, "value": plain(shorten(value, value_limit))}
                    for title, value in [*facts(alert), *_times(alert), *_standing(alert)]
                ],
            },
            _text(f"Delivered from {region}") | {"size": "small", "isSubtle": True},
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": shorten(link.title, TITLE_LIMIT), "url": link.url} for link in links
        ],
    }


def plain(text: str) -> str:
    """*text* without what cards read as Markdown, so that nobody's alert makes links of its own."""
    for mark in "\\`*_[]()#~":
        text = text.replace(mark, f"\\{mark}")
    return text


def _text(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": plain(text), "wrap": True}


def _times(alert: Alert) -> list[tuple[str, str]]:
    return [("First seen", _readable(alert.opened_at)), ("Last seen", _readable(alert.last_seen))]


def _standing(alert: Alert) -> list[tuple[str, str]]:
    standing = []
    if alert.acknowledged:
        standing.append(("Acknowledged", f"{alert.acknowledged.actor}, {_readable(alert.acknowledged.at)}"))
    if alert.closed_at:
        standing.append(("Closed", _readable(alert.closed_at)))
    return standing


def _readable(moment: str) -> str:
    parsed: datetime = timestamps.parse(moment).astimezone(UTC)
    return parsed.strftime("%Y-%m-%d %H:%M:%S UTC")
