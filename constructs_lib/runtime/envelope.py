"""The one shape of every message between functions, in a queue or on a stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from constructs_lib.runtime.failures import PermanentFailure

VERSION = 1


class InvalidEnvelopeError(PermanentFailure, ValueError):
    """The text or the values given are not an envelope; the reason names the field, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message and what every consumer needs to know about it.

    Args:
        id: Names the message; copies of one message share it, so that its effect can happen once.
        key: What the message is about. Messages of one key keep their order on a stream: it is the partition key.
        tenant: On whose behalf the message travels.
        correlation_id: Joins everything that follows from one request.
        created: When the message was made: ISO 8601 with a UTC offset of zero, such as `2026-01-31T12:00:00.123456Z`.
        body: The message itself, a JSON object.
        replay: Whether this is a message of the past, sent again to build up state anew: then it must have no effect
            outside. Default: False.
        v: Version of this shape. Default: 1, the only one.

    Raises:
        InvalidEnvelopeError: If a value is not what its field asks for.
    """

    id: str
    key: str
    tenant: str
    correlation_id: str
    created: str
    body: Mapping[str, Any]
    v: int = VERSION
    replay: bool = False

    def __post_init__(self) -> None:
        if type(self.v) is not int or self.v != VERSION:
            raise InvalidEnvelopeError(f"not an envelope: v must be {VERSION}, the only version there is")
        for name in ("id", "key", "tenant", "correlation_id"):
            if not _is_text(getattr(self, name)):
                raise InvalidEnvelopeError(f"not an envelope: {name} must be text that is not empty")
        if not _is_utc(self.created):
            raise InvalidEnvelopeError("not an envelope: created must be a time in UTC, such as 2026-01-31T12:00:00Z")
        if not isinstance(self.body, Mapping):
            raise InvalidEnvelopeError("not an envelope: body must be a JSON object")
        if not isinstance(self.replay, bool):
            raise InvalidEnvelopeError("not an envelope: replay must be true or false")

    def to_json(self) -> str:
        """Return the envelope as compact ASCII JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__} | {"body": dict(self.body)}
        if not self.replay:
            del fields["replay"]
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read an envelope; fields this version does not know are ignored, so that producers may add some.

        Raises:
            InvalidEnvelopeError: If *text* is not JSON, not an object, or a field is missing or wrong.
        """
        try:
            fields = json.loads(text, parse_constant=_refuse_constant)
        # A deeply nested text exhausts the parser's stack: bad input like any other.
        except (ValueError, RecursionError):
            raise InvalidEnvelopeError("not an envelope: the text is not JSON") from None
        if not isinstance(fields, dict):
            raise InvalidEnvelopeError("not an envelope: the JSON is not an object")
        # No `v` means some other JSON object, not this version of the envelope.
        known: dict[str, Any] = {name: fields.get(name) for name in cls.__slots__}
        return cls(**known | {"replay": fields.get("replay", False)})


def is_utf8(text: str) -> bool:
    """Return whether *text* can be encoded: JSON can spell a lone surrogate, and no AWS API accepts one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and is_utf8(value)


def _is_utc(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _refuse_constant(name: str) -> float:
    """Refuse NaN and the infinities, which Python reads but JSON does not know."""
    raise ValueError(name)
