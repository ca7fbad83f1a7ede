"""Slack's Web API."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from lambdas.notify_slack.domain import Meaning, is_message_of, is_page_of, meaning_of, message_of, page_of
from lambdas.shared import timestamps
from lambdas.shared.alert import Alert
from lambdas.shared.cached_secret import KEPT_SECONDS, REREAD_AFTER_SECONDS, CachedSecret
from lambdas.shared.notifier import MessageGoneError
from lambdas.shared.provider_http import Answer, ProviderHttp

# The history is read newest first, from just before the alert was opened; our clock and Slack's may differ a little.
CLOCK_SKEW = timedelta(minutes=5)
PAGE_SIZE = 200
MOST_PAGES = 2


class SlackRefusedError(Exception):
    """Slack answered that it will not do this; *error* is its name for why."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Slack:
    """The workspaces of all tenants, each reached with its own bot token.

    Args:
        http: Makes the calls.
        tokens: The bot tokens by tenant.
        url: Base of the Web API.
        region: Where messages are sent from.
    """

    def __init__(self, http: ProviderHttp, tokens: CachedSecret, *, url: str, region: str) -> None:
        self._http = http
        self._tokens = tokens
        self._url = url
        self._region = region

    def find(self, alert: Alert, *, target: str) -> str | None:
        """The id of the alert's message, by the metadata it carries; None if it is not among the latest there."""
        since = timestamps.parse(alert.opened_at) - CLOCK_SKEW
        query = {"channel": target, "oldest": f"{since.timestamp():.6f}"}
        for found in self._history(alert.tenant, "conversations.history", query):
            if is_message_of(found, alert.alert_id):
                return str(found["ts"])
        return None

    def post(self, alert: Alert, *, target: str) -> str:
        """Post the message and return its timestamp, which is Slack's id of it."""
        answer = self._write(
            alert.tenant, "chat.postMessage", {"channel": target} | message_of(alert, region=self._region)
        )
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise DependencyUnavailable("slack answered chat.postMessage without a timestamp")
        return ts

    def update(self, alert: Alert, *, target: str, message_id: str) -> None:
        """Make the message show *alert*."""
        message = {"channel": target, "ts": message_id} | message_of(alert, region=self._region)
        self._write(alert.tenant, "chat.update", message)

    def page(self, alert: Alert, *, target: str, message_id: str, level: int) -> None:
        """Mention people in the message's thread, unless that has been done."""
        thread = {"channel": target, "ts": message_id}
        replies = self._history(alert.tenant, "conversations.replies", thread)
        if not any(is_page_of(found, alert.alert_id, level) for found in replies):
            page = {"channel": target, "thread_ts": message_id} | page_of(alert, level=level)
            self._write(alert.tenant, "chat.postMessage", page)

    def _history(self, tenant: str, method: str, query: dict[str, str]) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(MOST_PAGES):
            parameters = query | {"include_all_metadata": "true", "limit": str(PAGE_SIZE), "cursor": cursor}
            try:
                answer = self._call(tenant, method, query=parameters)
            except SlackRefusedError as refused:
                # Without the scope to read, Slack cannot be asked; better twice than never. The post tells what else
                # may be wrong.
                if refused.error in ("missing_scope", "not_allowed_token_type"):
                    return []
                raise _failure(refused) from refused
            messages += answer.get("messages") or []
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return messages

    def _write(self, tenant: str, method: str, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._call(tenant, method, message=message)
        except SlackRefusedError as refused:
            raise _failure(refused) from refused

    def _call(
        self, tenant: str, method: str, *, query: dict[str, str] | None = None, message: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        token = self._token(tenant, at_most_old=KEPT_SECONDS)
        try:
            return self._call_with(token, method, query=query, message=message)
        except SlackRefusedError as refused:
            if meaning_of(refused.error) is not Meaning.CREDENTIALS:
                raise
            newer = self._token(tenant, at_most_old=REREAD_AFTER_SECONDS)
            if newer == token:
                raise
            return self._call_with(newer, method, query=query, message=message)

    def _call_with(
        self, token: str, method: str, *, query: dict[str, str] | None, message: dict[str, Any] | None
    ) -> dict[str, Any]:
        url = f"{self._url}/{method}"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if message is None:
            answer = self._http.call(method, "GET", f"{url}?{urlencode(query or {})}", headers=headers)
        else:
            headers["Content-Type"] = "application/json; charset=utf-8"
            answer = self._http.call(method, "POST", url, headers=headers, body=json.dumps(message).encode())
        return _content(answer, method)

    def _token(self, tenant: str, *, at_most_old: float) -> str:
        token = self._look_up(tenant, at_most_old=at_most_old) or self._look_up(
            tenant, at_most_old=min(at_most_old, REREAD_AFTER_SECONDS)
        )
        if token is None:
            raise PermanentFailure(f"tenant {tenant} has no Slack bot token")
        return token

    def _look_up(self, tenant: str, *, at_most_old: float) -> str | None:
        tenants = self._tokens.json_object(at_most_old=at_most_old).get("tenants")
        if not isinstance(tenants, dict):
            raise DependencyUnavailable("the secret with Slack's bot tokens has no object 'tenants'")
        entry = tenants.get(tenant)
        token = entry.get("bot_token") if isinstance(entry, dict) else None
        return token if isinstance(token, str) and token.isascii() and token.isprintable() and token else None


def _content(answer: Answer, method: str) -> dict[str, Any]:
    content = answer.json_object()
    error = None if content is None else content.get("error")
    if answer.status == 429 or error in ("ratelimited", "rate_limited"):
        raise TenantUnavailable(f"slack limits the rate of {method}", retry_after=answer.retry_after)
    if answer.status != 200:
        raise DependencyUnavailable(f"slack answered {method} with {answer.status}", retry_after=answer.retry_after)
    if content is None or not isinstance(content.get("ok"), bool):
        raise DependencyUnavailable(f"slack answered {method} with something else than its JSON")
    if content["ok"]:
        return content
    raise SlackRefusedError(error if isinstance(error, str) else "an error without a name")


def _failure(refused: SlackRefusedError) -> Exception:
    match meaning_of(refused.error):
        case Meaning.DEPENDENCY:
            return DependencyUnavailable(f"slack has trouble: {refused.error}")
        case Meaning.TENANT:
            return TenantUnavailable(f"the workspace is not available: {refused.error}")
        case Meaning.GONE:
            return MessageGoneError(refused.error)
        case _:
            return PermanentFailure(f"slack refused: {refused.error}")
