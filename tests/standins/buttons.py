"""Pressing a button: the interaction that Slack sends for it, signed as Slack signs."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import urllib3

from tests.standins.record import Message
from tests.standins.slack import SIGNING_SECRET, TEAM

# Slack shows the user an error when no answer has come by then.
PATIENCE_SECONDS = 3.0


class NoSuchButtonError(ValueError):
    """The message shows no such button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A request as Slack would send it.

    Attributes:
        headers: With timestamp and signature.
        body: A form with the field `payload`.
    """

    headers: dict[str, str]
    body: bytes


def interaction(message: Message, action_id: str, *, user: str = "ada", signed_at: float | None = None) -> Interaction:
    """What Slack sends when *user* presses a button of *message*.

    Args:
        message: A message in Slack.
        action_id: Which button.
        user: Name of who presses it.
        signed_at: Seconds since 1970 in the signature. Default: now.

    Raises:
        NoSuchButtonError: The message does not show that button.
    """
    button = next((each for each in message.shows.buttons if each.action_id == action_id), None)
    if button is None:
        raise NoSuchButtonError(f"the message shows no button {action_id!r}")
    now = time.time()
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "standin"},
        "user": {"id": f"U0{user.upper()}", "username": user, "name": user, "team_id": TEAM},
        "api_app_id": "A0STANDIN",
        "container": {"type": "message", "message_ts": message.message_id, "channel_id": message.target},
        "channel": {"id": message.target, "name": "alerts"},
        "trigger_id": f"{now:.6f}",
        "response_url": "",
        "actions": [
            {
                "type": "button",
                "action_id": button.action_id,
                "block_id": "actions",
                "value": button.value,
                "text": {"type": "plain_text", "text": button.text},
                "action_ts": f"{now:.6f}",
            }
        ],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return Interaction(headers=sign(body, at=now if signed_at is None else signed_at), body=body)


def sign(body: bytes, *, at: float, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers of a request with *body*, signed at that time."""
    timestamp = str(int(at))
    proof = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={proof}",
    }


def send(url: str, request: Interaction) -> int:
    """Send *request* to the app's interactivity address and return the HTTP status; 0 when no answer comes in time."""
    timeout = urllib3.Timeout(total=PATIENCE_SECONDS)
    with urllib3.PoolManager(retries=False, timeout=timeout) as http:
        try:
            return http.request("POST", url, headers=request.headers, body=request.body, redirect=False).status
        except urllib3.exceptions.HTTPError:
            return 0
