"""Microsoft Teams: the login service and the Bot Framework connector, as far as the notifier uses them."""

import json
import re
import secrets
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.forms import form_of
from tests.standins.record import Face, Ids, Record

APP_ID = "00000000-0000-4000-8000-000000000001"
APP_PASSWORD = "standin-app-password"
DIRECTORY = "botframework.com"
SCOPE = "https://api.botframework.com/.default"
CARD = "application/vnd.microsoft.card.adaptive"
MOST_BYTES = 28 * 1024


class TeamsStandIn:
    """One bot and the conversations it is in.

    Attributes:
        refusals: HTTP status and error code by conversation: every write to such a conversation is answered with them.
        password: The bot's password that serves.
        token_seconds: How long an access token serves.
    """

    def __init__(self, record: Record) -> None:
        self.refusals: dict[str, tuple[int, str]] = {}
        self.password = APP_PASSWORD
        self.token_seconds = 3_600
        self._record = record
        self._ids = Ids()
        self._tokens: dict[str, float] = {}
        activities = "/v3/conversations/{conversation}/activities"
        self.app = Starlette(
            routes=[
                Route("/login/{directory}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route(activities, self._post, methods=["POST"]),
                Route(activities + "/{activity}", self._reply, methods=["POST"]),
                Route(activities + "/{activity}", self._update, methods=["PUT"]),
            ]
        )

    def remove(self, message_id: str) -> None:
        """Somebody deletes a message."""
        self._record.removed("teams", message_id)

    def revoke_tokens(self) -> None:
        """Access tokens issued so far serve no more."""
        self._tokens.clear()

    async def _token(self, request: Request) -> Response:
        self._record.called("teams", "token")
        form = await form_of(request)
        if form.get("grant_type") != "client_credentials":
            return _login_error(400, "unsupported_grant_type")
        if form.get("scope") != SCOPE:
            return _login_error(400, "invalid_scope")
        if request.path_params["directory"] != DIRECTORY or form.get("client_id") != APP_ID:
            return _login_error(400, "unauthorized_client")
        if form.get("client_secret") != self.password:
            return _login_error(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.monotonic() + self.token_seconds
        lasts = {"expires_in": self.token_seconds, "ext_expires_in": self.token_seconds}
        return JSONResponse({"token_type": "Bearer", **lasts, "access_token": token})

    async def _post(self, request: Request) -> Response:
        return await self._write(request, "post")

    async def _reply(self, request: Request) -> Response:
        return await self._write(request, "page")

    async def _update(self, request: Request) -> Response:
        return await self._write(request, "update")

    async def _write(self, request: Request, operation: str) -> Response:
        self._record.called("teams", operation)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) < time.monotonic():
            return JSONResponse({"message": "Authorization has been denied for this request."}, status_code=401)
        conversation = request.path_params["conversation"]
        body = await request.body()
        if conversation in self.refusals:
            status, code = self.refusals[conversation]
            return _error(status, code)
        if not conversation.startswith(("19:", "a:")):
            return _error(404, "ConversationNotFound")
        if len(body) > MOST_BYTES:
            return _error(413, "MessageSizeTooBig")
        activity = _activity(body)
        if activity is None:
            return _error(400, "BadSyntax")
        return self._apply(operation, conversation, request.path_params.get("activity"), activity)

    def _apply(self, operation: str, conversation: str, known: str | None, activity: dict[str, Any]) -> Response:
        if known is not None:
            message = self._record.message("teams", known)
            if message is None or message.target != conversation:
                return _error(404, "ActivityNotFoundInConversation")
        if operation == "update":
            self._record.updated("teams", str(known), shows=_face(activity), content=activity)
            return JSONResponse({"id": known})
        new = str(self._ids.microseconds() // 1_000)
        if operation == "page":
            level = _entity(activity).get("level", 0)
            self._record.paged("teams", str(known), level=level, text=activity.get("text", ""))
        else:
            while self._record.message("teams", new) is not None:
                new = str(int(new) + 1)
            self._record.posted("teams", conversation, new, shows=_face(activity), content=activity)
        return JSONResponse({"id": new}, status_code=201)


def _activity(body: bytes) -> dict[str, Any] | None:
    """The activity in *body*; None when the connector would not take it."""
    try:
        activity = json.loads(body)
    except ValueError:
        return None
    if not isinstance(activity, dict) or activity.get("type") != "message" or not activity.get("from", {}).get("id"):
        return None
    attachments = activity.get("attachments", [])
    if not attachments and not activity.get("text"):
        return None
    return activity if all(_is_card(each) for each in attachments) else None


def _is_card(attachment: dict[str, Any]) -> bool:
    card = attachment.get("content", {})
    return (
        attachment.get("contentType") == CARD
        and card.get("type") == "AdaptiveCard"
        and isinstance(card.get("version"), str)
        and all(isinstance(element.get("type"), str) for element in card.get("body", []))
        and all(action.get("url", "").startswith("http") for action in card.get("actions", []))
    )


def _face(activity: dict[str, Any]) -> Face:
    card: dict[str, Any] = next((each["content"] for each in activity.get("attachments", [])), {})
    texts = [element["text"] for element in card.get("body", []) if element["type"] == "TextBlock"]
    carried = _entity(activity)
    return Face(
        title=re.sub(r"\\(.)", r"\1", texts[0]) if texts else activity.get("text", ""),
        link=next((action["url"] for action in card.get("actions", [])), ""),
        alert_id=str(carried.get("alert_id", "")),
        version=int(carried.get("version", 0)),
        count=int(carried.get("count", 0)),
        state=str(carried.get("state", "")),
        region=str(carried.get("region", "")),
        opened_at=str(carried.get("opened_at", "")),
    )


def _entity(activity: dict[str, Any]) -> dict[str, Any]:
    return next((each for each in activity.get("entities", []) if each["type"].startswith("urn:alerting:")), {})


def _error(status: int, code: str) -> Response:
    headers = {"Retry-After": "2"} if status in (412, 429) else {}
    return JSONResponse({"error": {"code": code, "message": code}}, status_code=status, headers=headers)


def _login_error(status: int, error: str) -> Response:
    return JSONResponse({"error": error, "error_description": f"AADSTS: {error}"}, status_code=status)
