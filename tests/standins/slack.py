"""Slack's Web API, as far as the notifier uses it: https://docs.slack.dev/reference/methods."""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.forms import form_of
from tests.standins.record import Face, Ids, Message, Record
from tests.standins.slack_blocks import face, problems

BOT_TOKEN = "xoxb-standin"
SIGNING_SECRET = "standin-signing-secret"
TEAM = "T0STANDIN"

_PAGE_SIZE = 999


def token_of(workspace: str) -> str:
    """The bot token of a workspace."""
    return f"{BOT_TOKEN}-{workspace}"


def workspace_of(authorization: str) -> str:
    """Whose token an Authorization header carries; empty where it is nobody's."""
    prefix = f"Bearer {token_of('')}"
    return authorization.removeprefix(prefix) if authorization.startswith(prefix) else ""


class _RefusedError(Exception):
    """Slack will not do it; most of its refusals have the HTTP status 200."""

    def __init__(self, error: str, **more: object) -> None:
        super().__init__(error)
        limited = error == "ratelimited"
        self.answer = JSONResponse(
            {"ok": False, "error": error, **more},
            status_code=429 if limited else 200,
            headers={"Retry-After": "2"} if limited else None,
        )


class SlackStandIn:
    """Slack, with as many workspaces as there are tokens of.

    Attributes:
        refusals: Error name by channel: every write to such a channel is answered with it. `ratelimited` answers 429.
        tokens: Bot tokens that serve, beside those of workspaces.
    """

    def __init__(self, record: Record) -> None:
        self.refusals: dict[str, str] = {}
        self.tokens = {BOT_TOKEN}
        self._record = record
        self._ids = Ids()
        self._replies: dict[str, list[dict[str, Any]]] = {}
        self.app = Starlette(routes=[Route("/api/{method}", self._serve, methods=["GET", "POST"])])

    def remove(self, message_id: str) -> None:
        """Somebody deletes a message."""
        self._record.removed("slack", message_id)

    async def _serve(self, request: Request) -> Response:
        method = request.path_params["method"]
        self._record.called("slack", method)
        try:
            self._authorize(request)
            if method in ("conversations.history", "conversations.replies"):
                return await self._read(method, request)
            return await self._write(method, request)
        except _RefusedError as refused:
            return refused.answer

    def _authorize(self, request: Request) -> None:
        header = request.headers.get("authorization", "")
        if not header.startswith("Bearer "):
            raise _RefusedError("not_authed")
        if not workspace_of(header) and header.removeprefix("Bearer ") not in self.tokens:
            raise _RefusedError("invalid_auth")

    async def _read(self, method: str, request: Request) -> Response:
        query = {**request.query_params, **await form_of(request)}
        return self._history(query) if method == "conversations.history" else self._thread(query)

    async def _write(self, method: str, request: Request) -> Response:
        if method not in ("chat.postMessage", "chat.update"):
            raise _RefusedError("unknown_method")
        body = await _json_body(request)
        channel = body.get("channel")
        if not isinstance(channel, str) or not channel.startswith(("C", "G", "D")) or not channel.isalnum():
            raise _RefusedError("channel_not_found")
        if channel in self.refusals:
            raise _RefusedError(self.refusals[channel])
        _check(body)
        return self._update(channel, body) if method == "chat.update" else self._post(channel, body)

    def _post(self, channel: str, body: dict[str, Any]) -> Response:
        whole = self._ids.microseconds()
        ts = f"{whole // 1_000_000}.{whole % 1_000_000:06d}"
        thread = body.get("thread_ts")
        if thread is None:
            self._record.posted("slack", channel, ts, shows=_face(body), content=body)
        elif self._known(channel, thread) is None:
            raise _RefusedError("thread_not_found")
        else:
            self._replies.setdefault(thread, []).append(body | {"ts": ts})
            level = body.get("metadata", {}).get("event_payload", {}).get("level", 0)
            self._record.paged("slack", thread, level=level, text=body.get("text", ""))
        return JSONResponse({"ok": True, "channel": channel, "ts": ts, "message": _shown(body, ts, metadata=True)})

    def _update(self, channel: str, body: dict[str, Any]) -> Response:
        ts = body.get("ts")
        if not isinstance(ts, str) or self._known(channel, ts) is None:
            raise _RefusedError("message_not_found")
        self._record.updated("slack", ts, shows=_face(body), content=body)
        message = _shown(body, ts, metadata=True)
        return JSONResponse(
            {"ok": True, "channel": channel, "ts": ts, "text": body.get("text", ""), "message": message}
        )

    def _history(self, query: dict[str, str]) -> Response:
        newest_first = [
            each
            for each in reversed(self._record.messages("slack"))
            if each.target == query.get("channel") and float(each.message_id) > float(query.get("oldest") or 0)
        ]
        return _listing([(each.message_id, each.content) for each in newest_first], query)

    def _thread(self, query: dict[str, str]) -> Response:
        parent = self._known(query.get("channel", ""), query.get("ts", ""))
        if parent is None:
            raise _RefusedError("thread_not_found")
        replies = [(reply["ts"], reply) for reply in self._replies.get(parent.message_id, [])]
        return _listing([(parent.message_id, parent.content), *replies], query)

    def _known(self, channel: str, ts: str) -> Message | None:
        message = self._record.message("slack", ts)
        return message if message is not None and message.target == channel else None


async def _json_body(request: Request) -> dict[str, Any]:
    if request.method != "POST" or not request.headers.get("content-type", "").startswith("application/json"):
        raise _RefusedError("invalid_post_type")
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise _RefusedError("invalid_json") from None
    if not isinstance(body, dict):
        raise _RefusedError("json_not_object")
    return body


def _check(body: dict[str, Any]) -> None:
    if not body.get("text") and not body.get("blocks"):
        raise _RefusedError("no_text")
    if "blocks" in body and (found := problems(body["blocks"])):
        raise _RefusedError("invalid_blocks", response_metadata={"messages": [f"[ERROR] {each}" for each in found]})
    metadata = body.get("metadata", {"event_type": "none", "event_payload": {}})
    if set(metadata) != {"event_type", "event_payload"} or not isinstance(metadata["event_payload"], dict):
        raise _RefusedError("invalid_metadata_format")


def _listing(messages: list[tuple[str, dict[str, Any]]], query: dict[str, str]) -> Response:
    limit = int(query.get("limit") or 100)
    begin = int(query.get("cursor") or 0)
    if not 1 <= limit <= _PAGE_SIZE:
        raise _RefusedError("invalid_limit")
    end = begin + limit
    metadata = query.get("include_all_metadata") == "true"
    answer: dict[str, Any] = {
        "ok": True,
        "messages": [_shown(content, ts, metadata=metadata) for ts, content in messages[begin:end]],
        "has_more": end < len(messages),
    }
    if answer["has_more"]:
        answer["response_metadata"] = {"next_cursor": str(end)}
    return JSONResponse(answer)


def _shown(content: dict[str, Any], ts: str, *, metadata: bool) -> dict[str, Any]:
    names = ("text", "blocks", "thread_ts", *(["metadata"] if metadata else []))
    return {"type": "message", "ts": ts, "bot_id": "B0STANDIN"} | {
        name: content[name] for name in names if name in content
    }


def _face(body: dict[str, Any]) -> Face:
    return face(body.get("text", ""), body.get("blocks", []), body.get("metadata", {}).get("event_payload", {}))
