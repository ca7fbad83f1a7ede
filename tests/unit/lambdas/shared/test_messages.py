"""Messages survive their way, name what is wrong with them, and cannot be changed."""

import dataclasses
import json
from typing import Any

import pytest

from lambdas.shared.codes import Code
from lambdas.shared.messages import ActionRequest, DeliveryCommand, MalformedMessageError, ReceivedEvent

AT = "2026-11-21T03:40:00.000Z"
EVENT = ReceivedEvent(
    endpoint="e",
    origin="sns",
    content_type="text/plain",
    raw=bytes(range(256)),
    accepted_at=AT,
    accepted_in="us-east-1",
    alert_key="k",
    parameters={"a": "b"},
)
COMMAND = DeliveryCommand(alert_id="a1", min_version=3, level=2, target="C1", task_token="t")
ACTION = ActionRequest(action_id="x", alert_id="a1", kind="close", actor="Ada", requested_at=AT)
MESSAGES: list[Any] = [EVENT, COMMAND, ACTION]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_back_as_it_was_sent(message: Any) -> None:
    """Through JSON."""
    assert type(message).from_body(json.loads(json.dumps(message.to_body()))) == message


@pytest.mark.requirement("EVT-03")
@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_cannot_be_changed(message: Any) -> None:
    """No consumer can mislead the next."""
    for field in dataclasses.fields(message):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, "changed")


@pytest.mark.requirement("SEC-08")
@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        (kind, {**message.to_body(), name: wrong}, name)
        for kind, message in ((type(message), message) for message in MESSAGES)
        for name in message.to_body()
        for wrong in (7.5, ["x"])
    ],
)
def test_a_field_that_holds_something_else_is_named(kind: Any, body: dict[str, Any], name: str) -> None:
    """Each hop looks at what it gets."""
    with pytest.raises(MalformedMessageError, match=f"field '{name}'"):
        kind.from_body(body)


@pytest.mark.parametrize("message", MESSAGES)
def test_what_a_wrong_field_holds_is_not_told(message: Any) -> None:
    """The text of the error is logged and stands beside the dead letter: no payload, however it got into that field."""
    wrong = [{"text": "x" * 50 + "sesame"}, "x" * 50 + "sesame"]
    told = [
        complaint(type(message), message.to_body() | {name: value}) for name in message.to_body() for value in wrong
    ]
    assert "sesame" not in "".join(told)


def complaint(kind: Any, body: dict[str, Any]) -> str:
    try:
        kind.from_body(body)
    except MalformedMessageError as error:
        return str(error)
    return ""


def test_every_code_is_unique_and_well_formed() -> None:
    """Alarms and searches go by them."""
    codes = [known.code for known in Code]
    assert len(set(codes)) == len(codes)
    for known in Code:
        assert known.code == known.name.replace("_", "-")
        assert known.level in ("info", "warning", "error")
        assert known.meaning
