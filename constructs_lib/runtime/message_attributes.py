"""Message attributes, from the form in which Lambda hands them over to the one in which they are sent."""

import base64
from collections.abc import Mapping
from typing import Any

# SQS developer guide, "Message metadata": more make the message invalid.
MOST_ATTRIBUTES = 10


def text(value: str) -> dict[str, Any]:
    """Return the attribute that holds *value*, which must not be empty."""
    return {"DataType": "String", "StringValue": value}


def number(value: int) -> dict[str, Any]:
    """Return the attribute that holds *value*."""
    return {"DataType": "Number", "StringValue": str(value)}


def as_sent(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the attributes of a message that Lambda handed over, to be sent again."""
    return {name: _as_sent(attribute) for name, attribute in attributes.items()}


def _as_sent(attribute: Mapping[str, Any]) -> dict[str, Any]:
    if attribute.get("stringValue") is not None:
        return {"DataType": attribute["dataType"], "StringValue": attribute["stringValue"]}
    return {"DataType": attribute["dataType"], "BinaryValue": base64.b64decode(attribute["binaryValue"])}
