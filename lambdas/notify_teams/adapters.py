"""The Bot Framework connector of Microsoft Teams, by its REST API."""

import json
from typing import Any
from urllib.parse import quote

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from lambdas.notify_teams.access_tokens import AccessTokens
from lambdas.notify_teams.domain import Meaning, activity_of, meaning_of, page_of
from lambdas.shared.alert import Alert
from lambdas.shared.notifier import MessageGoneError
from lambdas.shared.provider_http import Answer, ProviderHttp


class Teams:
    """The conversations of all tenants, reached as one bot.

    Args:
        http: Makes the calls.
        tokens: Access tokens of the bot.
        url: Base of the connector.
        region: Where messages are sent from.
    """

    def __init__(self, http: ProviderHttp, tokens: AccessTokens, *, url: str, region: str) -> None:
        self._http = http
        self._tokens = tokens
        self._url = url
        self._region = region

    def find(self, alert: Alert, *, target: str) -> None:
        """Nothing: a bot cannot read what was posted. So a crash after a post may cost one duplicate, never a loss."""

    def post(self, alert: Alert, *, target: str) -> str:
        """Post the message and return the activity's id."""
        activity = self._send("post", "POST", self._activities(target), activity_of(alert, region=self._region))
        activity_id = activity.get("id")
        if not isinstance(activity_id, str) or not activity_id:
            raise DependencyUnavailable("teams answered a post without the activity's id")
        return activity_id

    def update(self, alert: Alert, *, target: str, message_id: str) -> None:
        """Make the message show *alert*."""
        activity = activity_of(alert, region=self._region) | {"id": message_id}
        self._send("update", "PUT", self._activities(target, message_id), activity)

    def page(self, alert: Alert, *, target: str, message_id: str, level: int) -> None:
        """Reply to the message, which notifies the conversation; a crash afterwards may cost one duplicate."""
        activity = page_of(alert, level=level) | {"replyToId": message_id}
        self._send("page", "POST", self._activities(target, message_id), activity)

    def _activities(self, *path: str) -> str:
        conversation, *activity = (quote(part, safe="") for part in path)
        return "/".join((self._url, "v3/conversations", conversation, "activities", *activity))

    def _send(self, operation: str, method: str, url: str, activity: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(activity | {"from": {"id": self._tokens.app_id()}}).encode()
        answer = self._call(self._tokens.current(), operation, method, url, body)
        if answer.status == 401:
            answer = self._call(self._tokens.renewed(), operation, method, url, body)
        code = _error_code(answer)
        said = f"teams answered {operation} with {answer.status} {code}".rstrip()
        match meaning_of(answer.status, code):
            case Meaning.DONE:
                content = answer.json_object()
                # An update may be answered without a body; what is there must be JSON.
                if content is None and answer.body.strip():
                    raise DependencyUnavailable(f"teams answered {operation} with something else than JSON")
                return content or {}
            case Meaning.TENANT:
                raise TenantUnavailable(said, retry_after=answer.retry_after)
            case Meaning.GONE:
                raise MessageGoneError(code)
            case Meaning.PERMANENT:
                raise PermanentFailure(said)
            case _:
                raise DependencyUnavailable(said, retry_after=answer.retry_after)

    def _call(self, token: str, operation: str, method: str, url: str, body: bytes) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        return self._http.call(operation, method, url, headers=headers, body=body)


def _error_code(answer: Answer) -> str:
    error = (answer.json_object() or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code[:100] if isinstance(code, str) else ""
