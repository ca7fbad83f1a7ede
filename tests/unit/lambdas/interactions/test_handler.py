"""Buttons pressed in Slack: verified, stored, answered."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from aws_lambda_powertools import Logger

from constructs_lib.runtime import DependencyUnavailable
from lambdas.interactions.adapters import NotStoredError
from lambdas.interactions.domain import Click
from lambdas.interactions.handler import Ports, make_handler
from lambdas.shared import timestamps
from tests.standins.buttons import Interaction, interaction, sign
from tests.standins.record import Button, Face, Message
from tests.standins.slack import SIGNING_SECRET

NOW = "2026-11-21T03:40:00.000Z"
NOW_SECONDS = timestamps.parse(NOW).timestamp()


@dataclass
class Around:
    """What is around interactions; each part can be made to fail."""

    stored: list[tuple[Click, str]] = field(default_factory=list)
    down: str = ""
    secret: str = SIGNING_SECRET

    def text(self) -> str:
        if self.down == "secret":
            raise DependencyUnavailable("secret hush cannot be read")
        return self.secret + "\n"

    def put(self, click: Click, *, correlation_id: str) -> None:
        if self.down == "queue":
            raise NotStoredError("hush")
        self.stored.append((click, correlation_id))


def message(value: str = "acme/a1") -> Message:
    buttons = tuple(Button(action_id=name, text=name, value=value) for name in ("acknowledge", "close", "link"))
    return Message(
        provider="slack",
        target="C0ACME",
        message_id="1.000001",
        arrived_at=NOW,
        changed_at=NOW,
        shows=Face(title="x", buttons=buttons),
        versions=(1,),
    )


def event(request: Interaction, headers: dict[str, str] | None = None, *, encoded: bool = False) -> dict[str, Any]:
    body = base64.b64encode(request.body).decode() if encoded else request.body.decode()
    given = {name.lower(): value for name, value in request.headers.items()} | (headers or {})
    return {
        "version": "2.0",
        "headers": given,
        "body": body,
        "isBase64Encoded": encoded,
        "requestContext": {"requestId": "r-1", "http": {"method": "POST", "path": "/slack/interactions"}},
    }


def pressed(action_id: str = "acknowledge", *, value: str = "acme/a1", signed_at: float = NOW_SECONDS) -> Interaction:
    return interaction(message(value), action_id, signed_at=signed_at)


def answer(around: Around, given: dict[str, Any]) -> dict[str, Any]:
    ports = Ports(secret=around, actions=around, logger=Logger(service="interactions"), now=lambda: NOW)
    return make_handler(lambda: ports)(given, None)


def signed(body: bytes) -> Interaction:
    return Interaction(headers=sign(body, at=NOW_SECONDS), body=body)


def form(payload: object) -> Interaction:
    return signed(urlencode({"payload": json.dumps(payload)}).encode())


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("kind", ["acknowledge", "close"])
@pytest.mark.requirement("ING-08")
def test_a_click_is_stored_and_answered(kind: str, encoded: bool) -> None:
    """With who did what to which alert of which tenant; the answer is empty, as Slack asks."""
    around = Around()
    said = answer(around, event(pressed(kind), encoded=encoded))
    assert (said["statusCode"], said["body"]) == (200, "")
    ((click, correlation_id),) = around.stored
    assert click.tenant == "acme"
    assert (click.request.alert_id, click.request.kind) == ("a1", kind)
    assert click.request.actor == "ada (U0ADA)"
    assert click.request.requested_at == NOW
    assert correlation_id == "r-1"


@pytest.mark.requirement("ING-08")
def test_the_answer_is_quick() -> None:
    """Slack shows an error after three seconds; verifying and reading take none of them."""
    around, given = Around(), event(pressed())
    begun = time.perf_counter()
    for _ in range(100):
        answer(around, given)
    assert (time.perf_counter() - begun) / 100 < 0.05


def test_one_click_has_one_id() -> None:
    """The same click delivered twice is the same action, another click is another."""
    around = Around()
    once = event(pressed())
    for given in (once, once, event(pressed())):
        answer(around, given)
    ids = [click.request.action_id for click, _ in around.stored]
    assert ids[0] == ids[1] != ids[2]


def test_the_trace_of_the_request_goes_on() -> None:
    """What follows from the click can be found under the id of the request's trace."""
    around = Around()
    said = answer(around, event(pressed(), {"x-amzn-trace-id": "Root=1-abc-def;Sampled=1"}))
    assert around.stored[0][1] == "1-abc-def"
    assert said["headers"]["X-Correlation-Id"] == "1-abc-def"


def tampered(**changes: Any) -> dict[str, Any]:
    return event(pressed()) | changes


FORGERIES = {
    "another body": tampered(body=pressed("close").body.decode()),
    "another secret": event(Interaction(headers=sign(b"payload=x", at=NOW_SECONDS, secret="guess"), body=b"payload=x")),
    "no signature": event(pressed(), {"x-slack-signature": ""}),
    "a signature of another kind": event(pressed(), {"x-slack-signature": "v0=ÿ"}),
    "no time": event(pressed(), {"x-slack-request-timestamp": ""}),
    "a time that is none": event(pressed(), {"x-slack-request-timestamp": "²"}),
    "a time without end": event(pressed(), {"x-slack-request-timestamp": "9" * 400}),
    "an old request": event(pressed(signed_at=NOW_SECONDS - 301)),
    "a request of the future": event(pressed(signed_at=NOW_SECONDS + 301)),
    "no headers": tampered(headers=None),
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.requirement("SEC-03")
def test_what_slack_did_not_sign_is_refused(name: str) -> None:
    """401 with a problem document, and nothing stored."""
    around = Around()
    said = answer(around, FORGERIES[name])
    assert said["statusCode"] == 401
    assert said["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(said["body"])["type"] == "urn:alerting:problem:invalid-signature"
    assert around.stored == []


@pytest.mark.parametrize("off", [-300, 300])
@pytest.mark.requirement("SEC-03")
def test_five_minutes_are_still_in_time(off: int) -> None:
    """Clocks differ; Slack's own window is kept to the second."""
    assert answer(Around(), event(pressed(signed_at=NOW_SECONDS + off)))["statusCode"] == 200


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "view_submission"},
        {"type": "block_actions", "actions": [{"action_id": "link", "action_ts": "1.0"}]},
        {"type": "block_actions", "actions": []},
    ],
)
def test_what_needs_no_action_is_only_answered(payload: dict[str, Any]) -> None:
    """Slack tells about opened links too, and expects no more than an answer."""
    around = Around()
    assert answer(around, event(form(payload)))["statusCode"] == 200
    assert around.stored == []


@pytest.mark.parametrize(
    "request_",
    [
        signed(b""),
        signed(b"payload=%FF%FE"),
        signed(b"payload=nonsense"),
        signed(b"payload=1&payload=2"),
        form(["a list"]),
        form({"type": "block_actions"}),
        form({"type": "block_actions", "actions": [{"action_id": "close", "value": "acme/a1", "action_ts": "1"}]}),
        pressed(value="a1"),
        pressed(value="/a1"),
    ],
)
def test_what_cannot_be_read_is_refused(request_: Interaction) -> None:
    """400 with a problem document that says what is expected."""
    around = Around()
    said = answer(around, event(request_))
    assert said["statusCode"] == 400
    assert json.loads(said["body"])["detail"]
    assert around.stored == []


def test_a_body_that_is_not_the_base64_it_says_is_refused() -> None:
    """400, not a crash."""
    assert answer(Around(), event(pressed()) | {"isBase64Encoded": True, "body": "%%%"})["statusCode"] == 400


@pytest.mark.parametrize("part", ["queue", "secret"])
def test_what_cannot_be_stored_is_said_to_the_user(part: str) -> None:
    """503, so that Slack shows an error and nobody believes in an acknowledgement that is lost."""
    said = answer(Around(down=part), event(pressed()))
    assert said["statusCode"] == 503
    assert "hush" not in said["body"]
