"""Ways for a provider to fail."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.standins.record import Record

Mode = Literal["up", "down", "refuse", "slow", "hang", "throttled", "garbled"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a provider behaves.

    Attributes:
        mode: `up`; `down`: 503; `refuse`: the connection breaks before the answer; `slow`: does what it is asked, and
            answers late; `hang`: no answer until the mode changes; `throttled`: 429 with Retry-After; `garbled`: the
            answer is nonsense. Except when slow, nothing of what was asked happens.
        milliseconds: How late, when slow.
        retry_after: Seconds in Retry-After, when throttled.
    """

    mode: Mode = "up"
    milliseconds: int = 1_000
    retry_after: int = 2


class Faults:
    """The behaviour of each provider."""

    def __init__(self, record: Record, providers: tuple[str, ...]) -> None:
        self._record = record
        self._faults = dict.fromkeys(providers, Fault())

    def set(self, provider: str, fault: Fault) -> None:
        """Change how *provider* behaves, from the next request on; what hangs is let go.

        Raises:
            ValueError: There is no such provider or mode, or a number is below 0.
        """
        if provider not in self._faults:
            raise ValueError(f"provider must be one of {', '.join(self._faults)}, got {provider!r}")
        if fault.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {fault.mode!r}")
        for name, number in (("milliseconds", fault.milliseconds), ("retry_after", fault.retry_after)):
            if type(number) is not int or number < 0:
                raise ValueError(f"{name} must be a whole number from 0, got {number!r}")
        self._faults[provider] = fault
        self._record.touched()

    def of(self, provider: str) -> Fault:
        """How *provider* behaves."""
        return self._faults[provider]

    def clear(self) -> None:
        """Have every provider behave."""
        for provider in self._faults:
            self.set(provider, Fault())

    def to_json(self) -> Mapping[str, dict[str, Any]]:
        """As JSON."""
        return {provider: asdict(fault) for provider, fault in self._faults.items()}


class FaultGate:
    """Stands before a provider's app and lets its fault happen to each request.

    Args:
        app: The provider.
        provider: Its name.
        faults: How it behaves.
        record: Counts what does not get through.
        throttled_body: JSON of the provider's answer when it limits the rate.
    """

    def __init__(
        self, app: ASGIApp, provider: str, faults: Faults, record: Record, *, throttled_body: Mapping[str, Any]
    ) -> None:
        self._app = app
        self._provider = provider
        self._faults = faults
        self._record = record
        self._throttled_body = throttled_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        fault = self._faults.of(self._provider)
        if scope["type"] != "http" or fault.mode == "up":
            await self._app(scope, receive, send)
        elif fault.mode == "slow":
            await self._app(scope, receive, _late(send, fault.milliseconds / 1_000))
        else:
            self._record.called(self._provider, "faulted")
            while fault.mode == "hang" and self._faults.of(self._provider) is fault:
                await asyncio.sleep(0.02)
            if fault.mode in ("hang", "refuse"):
                await _break_off(send)
            else:
                await self._answer(fault)(scope, receive, send)

    def _answer(self, fault: Fault) -> Response:
        if fault.mode == "throttled":
            headers = {"Retry-After": str(fault.retry_after)}
            return JSONResponse(dict(self._throttled_body), status_code=429, headers=headers)
        if fault.mode == "garbled":
            return PlainTextResponse('{"ok": tr<html>upstream', media_type="application/json")
        return PlainTextResponse("upstream connect error", status_code=503)


def _late(send: Send, seconds: float) -> Send:
    async def send_late(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return send_late


async def _break_off(send: Send) -> None:
    # A server can no longer refuse a connection it has accepted: it promises a body and hangs up.
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
