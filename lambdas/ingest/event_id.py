"""Which event is which: the sender's own id where it has one, so that a repeat is known as one.

An id counts within its tenant only: one SNS topic may feed two tenants, and nobody can occupy another's ids. It reads
`<tenant>:<kind>:<value>`:

* `sns`: MessageId of a verified SNS message;
* `key`: header Idempotency-Key or X-Event-Id, or X-Amz-Sns-Message-Id of a raw SNS delivery, behind a hash of the
  endpoint: senders with an endpoint each may count alike;
* `eventbridge`: `id` of an EventBridge event;
* `hash`: of endpoint, query, body and the minute in which it was accepted. The same content again within that minute is
  taken for a repeat. A sender that retries for longer, or means each of two equal posts, must name its events.
"""

import hashlib
import json
import re
from collections.abc import Mapping

from lambdas.ingest.problems import malformed
from lambdas.shared.sns_message import SnsMessage, json_object

_NAMING_HEADERS = ("idempotency-key", "x-event-id")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_MINUTE = len("2026-11-21T03:40")


def event_id_of(  # noqa: D103 - see the module
    *,
    tenant: str,
    endpoint: str,
    headers: Mapping[str, str],
    parameters: Mapping[str, str],
    body: bytes,
    sns: SnsMessage | None,
    accepted_at: str,
) -> str:
    if sns is not None:
        return f"{tenant}:sns:{sns.signed['MessageId']}"
    key = _sender_key(headers)
    if key is not None:
        return f"{tenant}:key:{hashlib.sha256(endpoint.encode()).hexdigest()[:12]}:{key}"
    bridge = json_object(body)
    if bridge is not None and is_eventbridge(bridge) and _KEY.fullmatch(bridge["id"]):
        return f"{tenant}:eventbridge:{bridge['id']}"
    content = json.dumps([endpoint, accepted_at[:_MINUTE], sorted(parameters.items())]).encode() + b"\n" + body
    return f"{tenant}:hash:{hashlib.sha256(content).hexdigest()[:32]}"


def is_eventbridge(fields: Mapping[str, object]) -> bool:
    """Whether *fields* are those of an event as EventBridge delivers it."""
    return all(isinstance(fields.get(name), str) for name in ("id", "source", "detail-type")) and "detail" in fields


def _sender_key(headers: Mapping[str, str]) -> str | None:
    for name in _NAMING_HEADERS:
        value = headers.get(name)
        if value is None:
            continue
        if not _KEY.fullmatch(value):
            raise malformed(
                f"Header {name} must be 1 to 128 visible ASCII characters without spaces, got {len(value)} characters; "
                "use a UUID, or leave it out"
            )
        return value
    raw_delivery = headers.get("x-amz-sns-message-id", "")
    return raw_delivery if _KEY.fullmatch(raw_delivery) else None
