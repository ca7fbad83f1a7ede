"""Whether a request is from Slack, and what somebody asked for in it.

Signature: https://docs.slack.dev/authentication/verifying-requests-from-slack. Payload:
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from lambdas.shared import timestamps
from lambdas.shared.messages import ActionKind, ActionRequest

# Slack's own rule: an older request may be a replayed one.
WINDOW_SECONDS = 300

TIMESTAMP_HEADER = "x-slack-request-timestamp"
SIGNATURE_HEADER = "x-slack-signature"

_KINDS: Mapping[str, ActionKind] = {"acknowledge": "acknowledge", "close": "close"}


class UnsignedError(Exception):
    """Nothing proves that the request is from Slack."""


class UnreadableError(Exception):
    """The request is from Slack, but not what Slack sends when somebody presses a button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody pressed one of our buttons.

    Attributes:
        tenant: Whose message the button belongs to, by what we wrote into it.
        request: What they asked for.
    """

    tenant: str
    request: ActionRequest


def verify(*, headers: Mapping[str, str], body: bytes, secret: str, now: str) -> None:
    """Return if Slack signed *body* within the last five minutes.

    Args:
        headers: By lower-case name.
        body: As it came over the wire.
        secret: The app's signing secret.
        now: The time.

    Raises:
        UnsignedError: It did not.
    """
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        raise UnsignedError(f"the header {TIMESTAMP_HEADER} must hold a time in seconds")
    if abs(timestamps.parse(now).timestamp() - int(timestamp)) > WINDOW_SECONDS:
        raise UnsignedError(f"the time in the header {TIMESTAMP_HEADER} is more than five minutes off")
    proof = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    # Bytes, for text that is not ASCII cannot be compared in constant time.
    if not hmac.compare_digest(f"v0={proof}".encode(), headers.get(SIGNATURE_HEADER, "").encode()):
        raise UnsignedError(f"the header {SIGNATURE_HEADER} does not fit the body")


def clicks(body: bytes, *, now: str) -> list[Click]:
    """What was pressed; empty for what needs no more than an answer, such as a link that was opened.

    Raises:
        UnreadableError: It cannot be read.
    """
    payload = _payload(body)
    if payload.get("type") != "block_actions":
        return []
    try:
        ours = [action for action in payload["actions"] if action["action_id"] in _KINDS]
        return [_click(payload, action, now=now) for action in ours]
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableError("the payload lacks what a block_actions payload holds") from error


def _payload(body: bytes) -> dict[str, Any]:
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise UnreadableError("the body must be a form with one field 'payload' that holds JSON") from error
    if not isinstance(payload, dict):
        raise UnreadableError("the payload must be a JSON object")
    return payload


def _click(payload: Mapping[str, Any], action: Mapping[str, Any], *, now: str) -> Click:
    tenant, _, alert_id = action["value"].partition("/")
    if not tenant or not alert_id:
        raise UnreadableError("the value of the button must be <tenant>/<alert id>")
    user = payload["user"]
    name = user.get("name") or user.get("username")
    return Click(
        tenant=tenant,
        request=ActionRequest(
            # One click, however often it is delivered: who, and when by Slack's clock to the microsecond.
            action_id=f"slack/{payload['team']['id']}/{user['id']}/{action['action_ts']}",
            alert_id=alert_id,
            kind=_KINDS[action["action_id"]],
            actor=f"{name} ({user['id']})" if name else user["id"],
            requested_at=now,
        ),
    )
