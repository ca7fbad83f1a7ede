"""The live page, and the JSON that programs read."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.standins.buttons import NoSuchButtonError
from tests.standins.faults import Fault, Faults
from tests.standins.record import Record

_LOOK_EVERY_SECONDS = 0.1
_SIGN_OF_LIFE_SECONDS = 10.0

_PAGE = Path(__file__).with_name("page.html")

# The page needs nothing from elsewhere, so it may load nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


class LivePage:
    """Shows what the providers hold, as it happens.

    Args:
        record: What they hold.
        faults: How they behave.
        press: Presses a button: message id, action id; returns the status of the answer.
    """

    def __init__(self, record: Record, faults: Faults, press: Callable[[str, str], int]) -> None:
        self._record = record
        self._faults = faults
        self._press = press
        self._closing = False
        self.routes = [
            Route("/", self._page),
            Route("/api/messages", self._messages),
            Route("/api/events", self._events),
            Route("/api/faults", self._get_faults),
            Route("/api/faults", self._set_fault, methods=["POST"]),
            Route("/api/press", self._press_button, methods=["POST"]),
        ]

    def close(self) -> None:
        """Let go of everybody who watches."""
        self._closing = True

    def snapshot(self) -> dict[str, Any]:
        """Messages, calls and faults as JSON."""
        return {
            "messages": [message.to_json() for message in self._record.messages()],
            "calls": self._record.calls(),
            "faults": self._faults.to_json(),
        }

    async def _page(self, _request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(_PAGE.read_text(encoding="utf-8"), headers=headers)

    async def _messages(self, _request: Request) -> Response:
        return JSONResponse(self.snapshot())

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._changes(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _changes(self) -> AsyncIterator[str]:
        seen, quiet = -1, 0.0
        while not self._closing:
            if self._record.revision != seen:
                seen, quiet = self._record.revision, 0.0
                yield f"data: {json.dumps(self.snapshot())}\n\n"
            elif quiet >= _SIGN_OF_LIFE_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            quiet += _LOOK_EVERY_SECONDS

    async def _get_faults(self, _request: Request) -> Response:
        return JSONResponse(self._faults.to_json())

    async def _set_fault(self, request: Request) -> Response:
        try:
            wanted = await _json(request)
            provider = wanted.pop("provider", None)
            self._faults.set(provider, Fault(**wanted))
        except (ValueError, TypeError) as error:
            return _problem(400, f"a fault is provider, mode, milliseconds and retry_after: {error}")
        return JSONResponse(self._faults.to_json())

    async def _press_button(self, request: Request) -> Response:
        try:
            wanted = await _json(request)
            status = await asyncio.to_thread(self._press, wanted["message_id"], wanted["action_id"])
        except NoSuchButtonError as error:
            return _problem(404, str(error))
        except (ValueError, TypeError, KeyError) as error:
            return _problem(400, f"to press takes message_id and action_id: {error}")
        return JSONResponse({"status": status})


async def _json(request: Request) -> dict[str, Any]:
    # A browser sends JSON to another origin only after asking it, which nobody here answers.
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ValueError("the body must be JSON")
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status_code=status)
