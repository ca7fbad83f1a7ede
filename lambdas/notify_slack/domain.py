"""An alert as a Slack message, and what Slack's answers mean.

Limits of blocks: https://docs.slack.dev/reference/block-kit/blocks. Escaping and dates:
https://docs.slack.dev/messaging/formatting-message-text.
"""

from enum import Enum, auto
from typing import Any

from lambdas.shared import timestamps
from lambdas.shared.alert import Alert
from lambdas.shared.presentation import facts, headline, record_of, shorten, state_of

HEADER_LIMIT = 150
SECTION_LIMIT = 3_000
FIELD_LIMIT = 2_000
LINK_LIMIT = 2_000
MOST_LINKS = 5
FALLBACK_LIMIT = 3_000

ACKNOWLEDGE = "acknowledge"
CLOSE = "close"

MESSAGE_EVENT = "alert"
PAGE_EVENT = "alert_page"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Meaning(Enum):
    """How far an error reaches that Slack names in an answer."""

    DEPENDENCY = auto()
    """Slack itself has trouble."""
    TENANT = auto()
    """The workspace has trouble that passes."""
    CREDENTIALS = auto()
    """The bot token does not serve; there may be a newer one."""
    GONE = auto()
    """The message is not there."""
    PERMANENT = auto()
    """The same call will never succeed."""


# Error names as of https://docs.slack.dev/reference/methods/chat.postMessage and chat.update. What is not named here
# is about this one message, or about what an administrator must change: waiting would not help.
_MEANINGS = {
    "internal_error": Meaning.DEPENDENCY,
    "fatal_error": Meaning.DEPENDENCY,
    "service_unavailable": Meaning.DEPENDENCY,
    "request_timeout": Meaning.DEPENDENCY,
    "ratelimited": Meaning.TENANT,
    "rate_limited": Meaning.TENANT,
    # The workspace is being migrated to another organisation and comes back by itself.
    "team_added_to_org": Meaning.TENANT,
    "org_login_required": Meaning.TENANT,
    "account_inactive": Meaning.CREDENTIALS,
    "invalid_auth": Meaning.CREDENTIALS,
    "not_authed": Meaning.CREDENTIALS,
    "token_expired": Meaning.CREDENTIALS,
    "token_revoked": Meaning.CREDENTIALS,
    "message_not_found": Meaning.GONE,
    "thread_not_found": Meaning.GONE,
}


def meaning_of(error: str) -> Meaning:
    """How far *error* reaches."""
    return _MEANINGS.get(error, Meaning.PERMANENT)


def message_of(alert: Alert, *, region: str) -> dict[str, Any]:
    """What a message about *alert*, sent from *region*, consists of, but for its channel."""
    text = shorten(alert.summary.text, SECTION_LIMIT)
    return {
        "text": escape(f"{headline(alert)} ({state_of(alert)}, {_events(alert)})", FALLBACK_LIMIT),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shorten(headline(alert), HEADER_LIMIT)}},
            *([_section(escape(text, SECTION_LIMIT))] if text.strip() else []),
            {"type": "section", "fields": [_mrkdwn(field) for field in _fields(alert)]},
            *_links(alert),
            *_buttons(alert),
            {"type": "context", "elements": [_mrkdwn(_standing(alert, region))]},
        ],
        "metadata": {"event_type": MESSAGE_EVENT, "event_payload": record_of(alert, region=region)},
        "unfurl_links": False,
        "unfurl_media": False,
    }


def page_of(alert: Alert, *, level: int) -> dict[str, Any]:
    """What a page in the message's thread consists of, but for channel and thread."""
    whom = "<!here>" if level == 2 else "<!channel>"
    title = escape(shorten(alert.summary.title, HEADER_LIMIT), FALLBACK_LIMIT)
    return {
        "text": f"{whom} Nobody has acknowledged this yet: {title}",
        "metadata": {"event_type": PAGE_EVENT, "event_payload": {"alert_id": alert.alert_id, "level": level}},
    }


def is_message_of(found: dict[str, Any], alert_id: str) -> bool:
    """Whether *found*, from a channel's history, is the message about that alert."""
    return _carries(found, MESSAGE_EVENT, {"alert_id": alert_id})


def is_page_of(found: dict[str, Any], alert_id: str, level: int) -> bool:
    """Whether *found*, from a thread, is that alert's page of that level."""
    return _carries(found, PAGE_EVENT, {"alert_id": alert_id, "level": level})


def escape(text: str, limit: int) -> str:
    """*text* for mrkdwn, showing as it is and mentioning nobody, in at most *limit* characters."""
    whole = "".join(_ENTITIES.get(character, character) for character in text)
    if len(whole) <= limit:
        return whole
    parts: list[str] = []
    left = limit - 1
    for character in text:
        part = _ENTITIES.get(character, character)
        left -= len(part)
        if left < 0:
            break
        parts.append(part)
    return "".join(parts) + "…"


def _carries(found: dict[str, Any], event: str, payload: dict[str, Any]) -> bool:
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != event:
        return False
    carried = metadata.get("event_payload")
    return isinstance(carried, dict) and payload.items() <= carried.items()


def _events(alert: Alert) -> str:
    return f"{alert.count} event" if alert.count == 1 else f"{alert.count} events"


def _fields(alert: Alert) -> list[str]:
    times = [("First seen", alert.opened_at), ("Last seen", alert.last_seen)]
    return [f"*{name}*\n{escape(value, FIELD_LIMIT - 100)}" for name, value in facts(alert)] + [
        f"*{name}*\n{_date(moment)}" for name, moment in times
    ]


def _links(alert: Alert) -> list[dict[str, Any]]:
    usable = [link for link in alert.summary.links if len(link.url) <= LINK_LIMIT and not set("<>|\n ") & set(link.url)]
    lines = [f"<{_address(link.url)}|{escape(link.title, HEADER_LIMIT)}>" for link in usable[:MOST_LINKS]]
    sections: list[dict[str, Any]] = []
    for line in lines:
        previous = sections[-1]["text"]["text"] if sections else None
        if previous is not None and len(previous) + len(line) + 3 <= SECTION_LIMIT:
            sections[-1] = _section(f"{previous} · {line}")
        else:
            sections.append(_section(line))
    return sections


def _address(url: str) -> str:
    return url.replace("&", "&amp;")


def _buttons(alert: Alert) -> list[dict[str, Any]]:
    state = state_of(alert)
    # The tenant travels in the value, so that who acts on an alert is checked against whose it is.
    value = f"{alert.tenant}/{alert.alert_id}"
    buttons = []
    if state == "open" and alert.summary.kind == "alert":
        buttons.append(_button("Acknowledge", ACKNOWLEDGE, value) | {"style": "primary"})
    if state != "closed":
        buttons.append(_button("Close", CLOSE, value))
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _standing(alert: Alert, region: str) -> str:
    parts = []
    if alert.acknowledged:
        who = escape(alert.acknowledged.actor, HEADER_LIMIT)
        parts.append(f"Acknowledged by {who} {_date(alert.acknowledged.at)}")
    if alert.closed_at:
        parts.append(f"Closed {_date(alert.closed_at)}")
    return " · ".join([*parts, f"Delivered from {region}"])


def _date(moment: str) -> str:
    seconds = int(timestamps.parse(moment).timestamp())
    # Slack shows it in the reader's own time zone; what stands behind the bar is for clients that cannot.
    return f"<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{moment}>"


def _button(text: str, action_id: str, value: str) -> dict[str, Any]:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action_id,
        "value": value,
    }


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim: Slack must not make links and mentions of its own out of what a sender wrote.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
