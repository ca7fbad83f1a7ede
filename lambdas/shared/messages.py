"""The messages that functions send each other: the bodies inside the envelope.

Each class is frozen and knows its JSON form. A missing or misspelt field raises `MalformedMessageError`, which names it.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lambdas.shared import timestamps

Origin = Literal["sns", "http"]
ActionKind = Literal["acknowledge", "close"]


class MalformedMessageError(ValueError):
    """A message body lacks a field or holds something else than the field may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """What a sender posted, authentic but not yet understood: ingest -> process_event.

    Attributes:
        endpoint: The tenant's endpoint id it was posted to.
        origin: `sns`: *raw* is an SNS envelope whose signature was verified. `http`: *raw* is the body as posted.
        content_type: Of the request, without parameters; empty when none was given.
        raw: The body, byte for byte.
        parameters: Query parameters of the request.
        alert_key: What the sender named the alert (`X-Alert-Key`), if it did.
        accepted_at: When and
        accepted_in: in which region it was accepted.
    """

    endpoint: str
    origin: Origin
    content_type: str
    raw: bytes
    accepted_at: str
    accepted_in: str
    alert_key: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def to_body(self) -> dict[str, Any]:
        """JSON form; *raw* travels as base64."""
        return {
            "endpoint": self.endpoint,
            "origin": self.origin,
            "content_type": self.content_type,
            "raw": base64.b64encode(self.raw).decode(),
            "accepted_at": self.accepted_at,
            "accepted_in": self.accepted_in,
            "alert_key": self.alert_key,
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "ReceivedEvent":
        """Read the JSON form."""
        try:
            raw = base64.b64decode(_text(body, "raw"), validate=True)
        except binascii.Error as error:
            raise MalformedMessageError("field 'raw' is not base64") from error
        origin = _text(body, "origin")
        parameters = body.get("parameters")
        if not isinstance(parameters, Mapping):
            raise MalformedMessageError(f"field 'parameters' must be an object, got {type(parameters).__name__}")
        return cls(
            endpoint=_text(body, "endpoint"),
            origin="sns" if _one_of("origin", origin, get_args(Origin)) == "sns" else "http",
            content_type=_text(body, "content_type"),
            raw=raw,
            accepted_at=_moment(body, "accepted_at"),
            accepted_in=_text(body, "accepted_in"),
            alert_key=_optional_text(body, "alert_key"),
            parameters={str(name): str(value) for name, value in parameters.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCommand:
    """Make the provider show *alert_id* in version *min_version* or later: -> notify_slack, notify_teams.

    Level-triggered: carrying it out twice, or after a later one, changes nothing.

    Attributes:
        alert_id: Which alert.
        min_version: The version that must be visible.
        level: Escalation level, from 1. Level 1 is the alert's one message; a higher level also pages once in its thread.
        target: The provider's name of the place to post to: channel or conversation id.
        task_token: Step Functions task to complete once this level is delivered, if somebody waits for that.
    """

    alert_id: str
    min_version: int
    level: int
    target: str
    task_token: str | None = None

    def to_body(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "alert_id": self.alert_id,
            "min_version": self.min_version,
            "level": self.level,
            "target": self.target,
            "task_token": self.task_token,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "DeliveryCommand":
        """Read the JSON form."""
        return cls(
            alert_id=_text(body, "alert_id"),
            min_version=_positive(body, "min_version"),
            level=_positive(body, "level"),
            target=_text(body, "target"),
            task_token=_optional_text(body, "task_token"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """Somebody pressed a button: interactions -> alert_actions.

    Attributes:
        action_id: The provider's id of this click; the same click delivered twice has the same id.
        alert_id: Which alert.
        kind: What to do.
        actor: Who, as the provider names them.
        requested_at: When it was accepted.
    """

    action_id: str
    alert_id: str
    kind: ActionKind
    actor: str
    requested_at: str

    def to_body(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "action_id": self.action_id,
            "alert_id": self.alert_id,
            "kind": self.kind,
            "actor": self.actor,
            "requested_at": self.requested_at,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "ActionRequest":
        """Read the JSON form."""
        kind = _one_of("kind", _text(body, "kind"), get_args(ActionKind))
        return cls(
            action_id=_text(body, "action_id"),
            alert_id=_text(body, "alert_id"),
            kind="close" if kind == "close" else "acknowledge",
            actor=_text(body, "actor"),
            requested_at=_text(body, "requested_at"),
        )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise MalformedMessageError(f"field {name!r} must be text, got {type(value).__name__}")
    return value


def _optional_text(body: Mapping[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _moment(body: Mapping[str, Any], name: str) -> str:
    value = _text(body, name)
    try:
        timestamps.parse(value)
    except ValueError as error:
        raise MalformedMessageError(f"field {name!r} must be a time with a zone, got {value!r:.40}") from error
    return value


def _positive(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MalformedMessageError(f"field {name!r} must be a whole number from 1, got {value!r:.40}")
    return value


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise MalformedMessageError(f"field {name!r} must be one of {', '.join(allowed)}, got {value!r:.40}")
    return value
