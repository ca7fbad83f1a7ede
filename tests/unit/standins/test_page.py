"""The live page and its buttons."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import urllib3

from lambdas.interactions.domain import clicks, verify
from tests.standins import StandIns
from tests.standins.buttons import NoSuchButtonError
from tests.unit.standins.asking import ask, post


class Api(BaseHTTPRequestHandler):
    """The system's address for interactions: keeps what arrives."""

    arrived: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def api() -> Iterator[HTTPServer]:
    Api.arrived = []
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_pressed_button_arrives_signed_as_slack_signs(
    standins: StandIns, http: urllib3.PoolManager, api: HTTPServer
) -> None:
    """The system's own check passes, and it reads who pressed what; over HTTP as in the process."""
    message_id = post(http, standins)["ts"]
    standins.interactions_url = {"eu-west-1": f"http://127.0.0.1:{api.server_port}/slack/interactions"}
    assert standins.press(message_id, "close", user="bob") == 200
    pressed = {"message_id": message_id, "action_id": "close"}
    assert ask(http, f"{standins.url}/api/press", pressed) == (200, {"status": 200})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for (headers, body), name in zip(Api.arrived, ("bob", "ada"), strict=True):
        verify(headers=headers, body=body, secret=standins.slack_signing_secret, now=now)
        (click,) = clicks(body, now=now)
        assert (click.tenant, click.request.alert_id, click.request.kind) == ("acme", "a1", "close")
        assert click.request.actor.startswith(name)


def test_a_button_that_is_not_there_cannot_be_pressed(standins: StandIns, http: urllib3.PoolManager) -> None:
    """Nor one that leads nowhere; the page is told why."""
    message_id = post(http, standins)["ts"]
    with pytest.raises(NoSuchButtonError, match="interactions_url"):
        standins.press(message_id, "close")
    standins.interactions_url = "http://127.0.0.1:1/"
    with pytest.raises(NoSuchButtonError, match="acknowledge"):
        standins.press(message_id, "acknowledge")
    assert ask(http, f"{standins.url}/api/press", {"message_id": "x", "action_id": "close"})[0] == 404
    assert ask(http, f"{standins.url}/api/press", {"message_id": "x"})[0] == 400
    assert standins.press(message_id, "close") == 0


def test_the_page_needs_nothing_from_elsewhere(standins: StandIns, http: urllib3.PoolManager) -> None:
    """It works offline, and its own policy forbids it to load anything."""
    answer = http.request("GET", f"{standins.url}/")
    page = answer.data.decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "http://" not in page
    assert "https://" not in page
    assert '<html lang="en">' in page


def test_the_page_hears_of_every_change(standins: StandIns, http: urllib3.PoolManager) -> None:
    """A snapshot at once, and another when something happens."""
    events = http.request("GET", f"{standins.url}/api/events", preload_content=False)
    try:
        assert _next_event(events)["messages"] == []
        post(http, standins)
        assert [each["message_id"] for each in _next_event(events)["messages"]]
    finally:
        events.close()


def _next_event(events: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n\n"):
        data += events.read(1)
    event = json.loads(data.removeprefix(b"data: "))
    assert isinstance(event, dict)
    return event


def test_no_page_from_elsewhere_gets_in(standins: StandIns, http: urllib3.PoolManager) -> None:
    """A name that points to this machine is refused, and so is a form, which a browser sends without asking."""
    assert http.request("GET", f"{standins.url}/", headers={"Host": "evil.example"}).status == 400
    form = http.request(
        "POST",
        f"{standins.url}/api/faults",
        headers={"Content-Type": "text/plain"},
        body='{"provider": "slack", "mode": "down"}',
    )
    assert form.status == 400
    assert standins.faults.of("slack").mode == "up"
