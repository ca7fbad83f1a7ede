"""What SNS posts to an HTTP endpoint: one JSON envelope of three types.

Fields and the signed text follow the SNS developer guide, "Parsing message formats" and "Verifying the signatures of
Amazon SNS messages".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.shared.messages import MalformedMessageError

NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
UNSUBSCRIPTION = "UnsubscribeConfirmation"
TYPES = (NOTIFICATION, SUBSCRIPTION, UNSUBSCRIPTION)

_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    UNSUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_OPTIONAL = frozenset({"Subject"})
_ARN_PARTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsMessage:
    """One envelope. Only what the signature covers is in `signed`; nothing else of it may be believed.

    Attributes:
        signed: The signed fields by their names.
        signature: Base64.
        signature_version: `1` or `2`.
        certificate_url: Where the envelope says the signing certificate is.
    """

    signed: Mapping[str, str]
    signature: str
    signature_version: str
    certificate_url: str

    @classmethod
    def parse(cls, raw: bytes) -> "SnsMessage":
        """Read an envelope.

        Raises:
            MalformedMessageError: It is none; the text names the field.
        """
        fields = json_object(raw)
        if fields is None:
            raise MalformedMessageError("the body must be a JSON object in UTF-8, as SNS posts it")
        if fields.get("Type") not in TYPES:
            raise MalformedMessageError(
                f"field 'Type' must be one of {', '.join(TYPES)}, got {fields.get('Type')!r:.80}"
            )
        return cls(
            signed={
                name: _text(fields, name)
                for name in _SIGNED[fields["Type"]]
                if name not in _OPTIONAL or fields.get(name) is not None
            },
            signature=_text(fields, "Signature"),
            signature_version=_text(fields, "SignatureVersion"),
            certificate_url=_text(fields, "SigningCertURL"),
        )

    @property
    def type(self) -> str:
        """One of `TYPES`."""
        return self.signed["Type"]

    @property
    def topic(self) -> str:
        """ARN of the topic."""
        return self.signed["TopicArn"]

    @property
    def partition(self) -> str:
        """AWS partition of the topic; empty when its ARN has none."""
        return self._arn_part(1)

    @property
    def region(self) -> str:
        """AWS region of the topic; empty when its ARN has none."""
        return self._arn_part(3)

    @property
    def account(self) -> str:
        """AWS account of the topic; empty when its ARN has none."""
        return self._arn_part(4)

    def canonical(self) -> bytes:
        """The text that SNS signs: name and value of each signed field on lines of their own, by name."""
        return "".join(f"{name}\n{self.signed[name]}\n" for name in sorted(self.signed)).encode()

    def _arn_part(self, index: int) -> str:
        parts = self.topic.split(":")
        return parts[index] if len(parts) == _ARN_PARTS and parts[0] == "arn" and parts[2] == "sns" else ""


def json_object(raw: bytes) -> Mapping[str, Any] | None:
    """*raw* as a JSON object; None when it is anything else."""
    try:
        value = json.loads(raw)
    # Deep nesting exhausts the parser's stack: unreadable like any other text.
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedMessageError(f"field {name!r} must be text, got {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character: JSON can spell it, nothing can sign it
        raise MalformedMessageError(f"field {name!r} holds half a character (a lone surrogate)") from None
    return value
