"""One text, and one hash, for all spellings of the same JSON."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from constructs_lib.runtime.records import Record

# Made anew whenever SNS delivers a notification, or different for each subscription.
_OF_THE_DELIVERY = frozenset({"Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL"})

# What EventBridge adds to an event that it sends again from an archive (EventBridge user guide, "Archiving and replaying
# events"): the event is the same.
REPLAY_FIELD = "replay-name"


def canonical(value: object) -> str:
    """Return *value* as JSON with sorted keys and no spaces; sets, bytes and decimals of DynamoDB items have a text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_text)


def content_hash(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of *value*, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def record_digest(record: Record) -> str:
    """Return what tells a copy of *record* from another message with the same id: a hash of body, key and tenant."""
    return content_hash([_stable(record.body), record.key, record.tenant])


def is_event(body: Mapping[str, Any]) -> bool:
    """Return whether *body* is an event of EventBridge."""
    # EventBridge user guide, "Events": every event has these; only the bus can set `id`.
    return all(isinstance(body.get(name), str) and body[name] for name in ("detail-type", "source", "id"))


def _stable(body: Mapping[str, Any]) -> Mapping[str, Any]:
    if is_event(body):
        return {name: value for name, value in body.items() if name != REPLAY_FIELD}
    if body.get("Type") != "Notification":
        return body
    return {name: value for name, value in body.items() if name not in _OF_THE_DELIVERY}


def _text(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(canonical(element) for element in value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return str(value)
