"""A change of a table's item, as a DynamoDB stream reports it.

Such a record is made by DynamoDB, not by one of our functions, so it holds no envelope. It is read as

* id: the event id, unique per change of an item in one Region;
* key: the item's primary key as JSON with sorted names, so that one item's changes share it;
* tenant, correlation id: the item's attributes `tenant` and `correlation_id` where they are text, the new image asked
  before the old one; without them no tenant, and the event id;
* created: the second in which the change was made;
* body: `event_name` (INSERT, MODIFY or REMOVE), `keys`, `new_image` and `old_image` (None where the stream's view type
  or the kind of change has none), with plain Python values.

Values: whole numbers become int and others Decimal, so that nothing is rounded; sets become sets; binary becomes bytes.

Source of the wire format: Amazon DynamoDB API reference, data types `Record`, `StreamRecord` and `AttributeValue`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from constructs_lib.runtime.attribute_values import from_attributes
from constructs_lib.runtime.envelope import InvalidEnvelopeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one item; the module tells where each value comes from."""

    id: str
    key: str
    tenant: str
    correlation_id: str
    created: str
    body: Mapping[str, Any]

    @classmethod
    def from_event(cls, raw: Mapping[str, Any]) -> Self:
        """Read a record of a stream event.

        Raises:
            InvalidEnvelopeError: If it is not in DynamoDB's format.
        """
        try:
            return cls._read(raw)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
            raise InvalidEnvelopeError("not a change record: it is not in the format of DynamoDB streams") from None

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> Self:
        change = raw["dynamodb"]
        keys, new, old = (_image(change.get(name)) for name in ("Keys", "NewImage", "OldImage"))
        if not keys:
            raise ValueError("no keys")
        created = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
        return cls(
            id=raw["eventID"],
            key=json.dumps(change["Keys"], sort_keys=True, separators=(",", ":")),
            tenant=_text("tenant", new, old, keys) or "",
            correlation_id=_text("correlation_id", new, old) or raw["eventID"],
            created=created.isoformat().replace("+00:00", "Z"),
            body={"event_name": raw["eventName"], "keys": keys, "new_image": new, "old_image": old},
        )


def _text(name: str, *images: Mapping[str, Any] | None) -> str | None:
    """Return the attribute from the first image that has it as text."""
    values = (image.get(name) for image in images if image)
    return next((value for value in values if isinstance(value, str) and value), None)


def _image(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if attributes is None else from_attributes(attributes, binary=base64.b64decode)
