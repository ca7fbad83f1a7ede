"""All stand-ins behind one port of this machine."""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

from tests.standins.buttons import NoSuchButtonError, interaction, send
from tests.standins.faults import Fault, FaultGate, Faults, Mode
from tests.standins.page import LivePage
from tests.standins.record import Record
from tests.standins.slack import BOT_TOKEN, SIGNING_SECRET, SlackStandIn, token_of, workspace_of
from tests.standins.sns import SnsStandIn
from tests.standins.teams import APP_ID, APP_PASSWORD, DIRECTORY, TeamsStandIn

HOST = "127.0.0.1"


class PortTakenError(Exception):
    """The port is in use; the text says so in one sentence."""


class StandIns:
    """Slack at `/slack`, Teams at `/teams`, SNS at `/sns`, and a live page of it all at `/`.

    A context manager: serves in a background thread from entry to exit.

    Args:
        port: To listen at; 0 takes any that is free.
        interactions_url: Where buttons send what is pressed: one address, or one by the region a message was delivered
            from. It may be set later. Default: nowhere.

    Attributes:
        record: What the providers hold, and how often they were called.
        faults: How they behave.
        slack, teams, sns: The stand-ins, for finer control; `sns` exists once entered.
        interactions_url: As above.

    Raises:
        PortTakenError: On entry, if something else listens at the port.
    """

    def __init__(self, port: int = 4581, *, interactions_url: str | Mapping[str, str] | None = None) -> None:
        self.interactions_url = interactions_url
        self.record = Record()
        self.faults = Faults(self.record, ("slack", "teams"), divided=("slack",))
        self.slack = SlackStandIn(self.record)
        self.teams = TeamsStandIn(self.record)
        self._port = port
        self._page = LivePage(self.record, self.faults, self.press)

    @property
    def url(self) -> str:
        """Address of everything, without a slash at its end; known once entered."""
        return f"http://{HOST}:{self._port}"

    @property
    def slack_tokens_secret(self) -> dict[str, str]:
        """What the secret with Slack's bot tokens holds for one tenant."""
        return {"bot_token": BOT_TOKEN}

    def slack_tokens_of(self, workspace: str) -> dict[str, str]:
        """What that secret holds for a tenant whose workspace can be told from others."""
        return {"bot_token": token_of(workspace)}

    @property
    def slack_signing_secret(self) -> str:
        """The text of the secret with Slack's signing secret."""
        return SIGNING_SECRET

    @property
    def teams_credentials_secret(self) -> dict[str, str]:
        """What the secret of the Teams bot holds."""
        return {"app_id": APP_ID, "app_password": APP_PASSWORD, "directory": DIRECTORY}

    def fault(self, provider: str, mode: Mode, *, milliseconds: int = 1_000, retry_after: int = 2) -> None:
        """Have `slack`, `teams` or a workspace, `slack/acme`, behave in that way from now on; see `Fault`."""
        self.faults.set(provider, Fault(mode=mode, milliseconds=milliseconds, retry_after=retry_after))

    def press(self, message_id: str, action_id: str, user: str = "ada") -> int:
        """Press a button of a message in Slack, and return the HTTP status of the system's answer; 0 for none.

        Raises:
            NoSuchButtonError: There is no such message or button, or no address to send to.
        """
        message = self.record.message("slack", message_id)
        if message is None:
            raise NoSuchButtonError(f"there is no message {message_id!r} in Slack")
        given = self.interactions_url
        url = given if given is None or isinstance(given, str) else given.get(message.shows.region)
        if url is None:
            raise NoSuchButtonError("buttons send nowhere yet: interactions_url is not set")
        return send(url, interaction(message, action_id, user=user))

    def __enter__(self) -> Self:
        """Start to serve; what is asked from here on is answered."""
        listening = _listen(self._port)
        self._port = listening.getsockname()[1]
        self.sns = SnsStandIn(f"{self.url}/sns")
        config = Config()
        config.errorlog = logging.getLogger("tests.standins")
        config.graceful_timeout = 0.5
        config.bind = [f"fd://{listening.detach()}"]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(config,), name="standins", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to serve; nobody is kept waiting."""
        self._page.close()
        self.faults.clear()
        self._stop.set()
        self._thread.join(timeout=10)

    def _serve(self, config: Config) -> None:
        async def stopped() -> None:
            while not self._stop.is_set():
                await asyncio.sleep(0.05)

        asyncio.run(serve(self._app(), config, shutdown_trigger=stopped))  # type: ignore[arg-type]  # its own ASGI types

    def _app(self) -> Starlette:
        slack = FaultGate(
            self.slack.app,
            "slack",
            self.faults,
            self.record,
            throttled_body={"ok": False, "error": "ratelimited"},
            workspace_of=workspace_of,
        )
        too_many = {"error": {"code": "TooManyRequests", "message": "API calls quota exceeded"}}
        teams = FaultGate(self.teams.app, "teams", self.faults, self.record, throttled_body=too_many)
        return Starlette(
            routes=[
                Mount("/slack", slack),
                Mount("/teams", teams),
                Mount("/sns", self.sns.app),
                *self._page.routes,
            ],
            # No page from elsewhere may reach this one under a name of its own.
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
        )


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTakenError(
            f"Port {port} on {HOST} is taken; stop what listens there, or start the stand-ins at another port."
        ) from None
    return listening
