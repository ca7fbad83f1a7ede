"""What every provider's message says about an alert; how it looks is the provider's own affair."""

from collections.abc import Mapping
from typing import Literal

from lambdas.shared.alert import Alert

State = Literal["open", "acknowledged", "closed"]

_MARKS: Mapping[State, str] = {"open": "🔴", "acknowledged": "🟡", "closed": "🟢"}


def state_of(alert: Alert) -> State:
    """What has become of it so far."""
    if alert.closed_at:
        return "closed"
    return "acknowledged" if alert.acknowledged else "open"


def headline(alert: Alert) -> str:
    """One line with a mark for the state; what only informs has a mark of its own while it is open."""
    state = state_of(alert)
    mark = "🔵" if state == "open" and alert.summary.kind == "notification" else _MARKS[state]
    return f"{mark} {alert.summary.title}"


def facts(alert: Alert) -> list[tuple[str, str]]:
    """Names and values worth a line each; what the sender did not say is left out."""
    summary = alert.summary
    named = [
        ("Account", summary.account),
        ("Region", summary.region),
        ("Service", summary.service),
        ("Resource", summary.resource),
        ("Events", str(alert.count)),
    ]
    return [(name, value) for name, value in named if value]


def record_of(alert: Alert, *, region: str) -> dict[str, str | int]:
    """What programs may want to know about a message; it travels with it, unseen.

    Args:
        alert: What the message shows.
        region: Where the message was sent from.
    """
    return {
        "alert_id": alert.alert_id,
        "version": alert.version,
        "count": alert.count,
        "state": state_of(alert),
        "opened_at": alert.opened_at,
        "region": region,
    }


def shorten(text: str, limit: int) -> str:
    """*text*, cut to *limit* characters; a cut shows as an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
