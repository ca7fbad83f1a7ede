"""Ways for a provider to fail."""

import asyncio
from collections.abc import Callable, Mapping
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
    """The behaviour of each provider, and of single workspaces at one: `slack/acme`.

    Args:
        record: Is told of changes.
        providers: Their names.
        divided: Those that know from whose workspace a call comes.
    """

    def __init__(self, record: Record, providers: tuple[str, ...], *, divided: tuple[str, ...] = ()) -> None:
        self._record = record
        self._divided = divided
        self._faults = dict.fromkeys(providers, Fault())

    def set(self, provider: str, fault: Fault) -> None:
        """Change how *provider*, or a workspace at one, behaves from the next request on; what hangs is let go.

        Raises:
            ValueError: There is no such provider or mode, or a number is below 0.
        """
        if not self.knows(provider):
            raise ValueError(f"provider must be one of {', '.join(self.names)}, got {provider!r}")
        if fault.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {fault.mode!r}")
        for name, number in (("milliseconds", fault.milliseconds), ("retry_after", fault.retry_after)):
            if type(number) is not int or number < 0:
                raise ValueError(f"{name} must be a whole number from 0, got {number!r}")
        self._faults[provider] = fault
        self._record.touched()

    @property
    def names(self) -> tuple[str, ...]:
        """What can fail."""
        providers = tuple(name for name in self._faults if "/" not in name)
        return (*providers, *(f"{provider}/<workspace>" for provider in self._divided))

    def knows(self, name: str) -> bool:
        """Whether there is a provider, or may be a workspace, of that name."""
        provider, slash, workspace = name.partition("/")
        return provider in self._divided and bool(workspace) if slash else name in self._faults

    def of(self, provider: str, workspace: str = "") -> Fault:
        """How *provider* behaves to calls from that workspace."""
        own = self._faults.get(f"{provider}/{workspace}", Fault())
        return self._faults[provider] if own.mode == "up" else own

    def clear(self) -> None:
        """Have everybody behave."""
        for name in self._faults:
            self.set(name, Fault())

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
        workspace_of: Tells from the Authorization header whose call it is. Default: nobody knows.
    """

    def __init__(
        self,
        app: ASGIApp,
        provider: str,
        faults: Faults,
        record: Record,
        *,
        throttled_body: Mapping[str, Any],
        workspace_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._app = app
        self._provider = provider
        self._faults = faults
        self._record = record
        self._throttled_body = throttled_body
        self._workspace_of = workspace_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        workspace = self._workspace_of(headers.get(b"authorization", b"").decode(errors="replace"))
        fault = self._faults.of(self._provider, workspace)
        if scope["type"] != "http" or fault.mode == "up":
            await self._app(scope, receive, send)
        elif fault.mode == "slow":
            await self._app(scope, receive, _late(send, fault.milliseconds / 1_000))
        else:
            self._record.called(self._provider, "faulted")
            while fault.mode == "hang" and self._faults.of(self._provider, workspace) is fault:
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
