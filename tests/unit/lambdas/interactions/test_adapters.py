"""The actions queue."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime.envelope import Envelope
from lambdas.interactions.adapters import ActionQueue, NotStoredError
from lambdas.interactions.domain import Click
from lambdas.shared.messages import ActionRequest

CLICK = Click(
    tenant="acme",
    request=ActionRequest(
        action_id="slack/T/U/1.0", alert_id="a1", kind="close", actor="ada", requested_at="2026-11-21T03:40:00.000Z"
    ),
)


class Queue:
    """SQS that takes messages, or none."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **message: Any) -> None:
        if self.full:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessage")
        self.sent.append(message)


def test_a_click_travels_in_an_envelope_of_its_tenant() -> None:
    """Its id is the click's, so that copies are known; its group is the tenant, so that one's rush delays no other."""
    queue = Queue()
    ActionQueue(queue, "https://queue.example").put(CLICK, correlation_id="c")  # type: ignore[arg-type]  # all it uses
    (sent,) = queue.sent
    envelope = Envelope.from_json(sent["MessageBody"])
    assert (envelope.id, envelope.key, envelope.tenant) == ("slack/T/U/1.0", "a1", "acme")
    assert ActionRequest.from_body(envelope.body) == CLICK.request
    assert sent["MessageGroupId"] == "acme"


def test_a_queue_that_refuses_is_told() -> None:
    """Stored means stored."""
    with pytest.raises(NotStoredError):
        ActionQueue(Queue(full=True), "https://queue.example").put(CLICK, correlation_id="c")  # type: ignore[arg-type]  # all it uses
