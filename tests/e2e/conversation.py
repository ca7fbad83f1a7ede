"""How tests talk to the running system: post, and wait for what must come of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import urllib3

from tests.e2e.run.system import DemoTenant, System
from tests.standins.record import Message

# Long enough for a cold start of every function on a busy machine; waiting ends as soon as the condition holds.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with a JSON body."""

    status: int
    body: dict[str, object]


def request(system: System, path: str, body: bytes, *, region: str | None = None, **headers: str) -> Answer:
    """POST *body* to *path* of a region, the first one by default; header names are written with underscores."""
    url = system.url(region or system.regions[0], path)
    answer = urllib3.request(
        "POST",
        url,
        body=body,
        headers={"content-type": "text/plain"} | {name.replace("_", "-"): value for name, value in headers.items()},
        retries=False,
        timeout=30,
    )
    return Answer(answer.status, json.loads(answer.data or b"{}"))


def post(system: System, tenant: DemoTenant, text: str, *, region: str | None = None, **headers: str) -> Answer:
    """Post a plain text event to the endpoint of *tenant*."""
    return request(system, f"/v1/endpoints/{tenant.endpoint}/events", text.encode(), region=region, **headers)


def message(system: System, tenant: DemoTenant, text: str) -> Message | None:
    """The message that shows the event *text*, if it is at the tenant's provider."""
    found = [each for each in system.standins.record.messages(tenant.home.provider) if text in each.shows.title]
    assert len(found) <= 1, f"{text!r} is shown {len(found)} times"
    return found[0] if found else None


def eventually(condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until *condition* holds; it is an error if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def delivered(system: System, tenant: DemoTenant, text: str) -> Message:
    """Wait for the message that shows the event *text*."""
    eventually(lambda: message(system, tenant, text) is not None, f"{text!r} at {tenant.home.provider}")
    found = message(system, tenant, text)
    assert found is not None
    return found
