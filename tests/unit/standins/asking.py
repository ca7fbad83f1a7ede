"""Asking a stand-in over HTTP."""

import json
from typing import Any

import urllib3

from tests.standins import StandIns

BUTTON = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Close"},
    "action_id": "close",
    "value": "acme/a1",
}
MESSAGE = {
    "channel": "C0ACME",
    "text": "title",
    "blocks": [{"type": "actions", "elements": [BUTTON]}],
    "metadata": {"event_type": "alert", "event_payload": {"alert_id": "a1", "version": 1, "region": "eu-west-1"}},
}


def ask(http: urllib3.PoolManager, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    given = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-standin"} | headers
    answer = http.request(method, url, headers=given, body=None if body is None else json.dumps(body))
    try:
        return answer.status, json.loads(answer.data)
    except ValueError:
        return answer.status, answer.data


def post(http: urllib3.PoolManager, standins: StandIns, **changes: Any) -> dict[str, Any]:
    _, answer = ask(http, f"{standins.url}/slack/api/chat.postMessage", MESSAGE | changes)
    assert isinstance(answer, dict)
    return answer
