"""Answers that look like those of a service which throttles or fails, in the protocol of the request.

Facts: error shapes of the AWS JSON, CBOR, query and REST protocols in the Smithy documentation ("AWS protocols"); codes
from the "Errors" section of each service's API reference ("Common error types" for those not listed here).
"""

import json
import uuid
from typing import Final

from constructs_lib.local.router.request import Request

_THROTTLED: Final = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "execute-api": (429, "TooManyRequestsException"),
    "kinesis": (400, "ProvisionedThroughputExceededException"),
    "lambda": (429, "TooManyRequestsException"),
    "s3": (503, "SlowDown"),
    "sns": (400, "Throttled"),
    "sqs": (403, "RequestThrottled"),
}
_REASONS: Final = {400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal Server Error"}


def throttled(request: Request) -> bytes:
    """What *request*'s service answers when it is asked too often."""
    status, code = _THROTTLED.get(request.service or "", (400, "ThrottlingException"))
    return _answer(request, status, code, "Rate exceeded")


def failed(request: Request) -> bytes:
    """What *request*'s service answers when something inside it is broken."""
    if request.service == "execute-api":
        return _answer(request, 503, "ServiceUnavailableException", "Service Unavailable")
    code = "InternalError" if request.service in ("s3", "sns", "sqs") else "InternalServerError"
    return _answer(request, 500, code, "An internal error occurred")


def _answer(request: Request, status: int, code: str, message: str) -> bytes:
    request_id = str(uuid.uuid4())
    content_type, body, more = _content(request, code, message, request_id)
    headers = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "x-amzn-RequestId": request_id,
        # The rest of the request may not have been read.
        "Connection": "close",
        **more,
    }
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Service Unavailable')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if request.method == "HEAD" else head + body


def _content(request: Request, code: str, message: str, request_id: str) -> tuple[str, bytes, dict[str, str]]:
    """Content type, body and further headers, in the protocol that the request is written in."""
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "application/cbor", _cbor({"__type": code, "message": message}), {"smithy-protocol": "rpc-v2-cbor"}
    if request.service == "s3":
        xml = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
        return "application/xml", xml.encode(), {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        xml = (
            f"<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return "text/xml", xml.encode(), {}
    if request.service == "execute-api":
        return "application/json", json.dumps({"message": message}).encode(), {}
    return (
        request.headers.get("content-type") or "application/json",
        json.dumps({"__type": code, "message": message}).encode(),
        {"x-amzn-ErrorType": code},
    )


def _cbor(texts: dict[str, str]) -> bytes:
    """A map of short texts (RFC 8949: major type 5 for a map, 3 for a text, lengths below 24 in the first byte)."""
    return bytes([0xA0 | len(texts)]) + b"".join(_cbor_text(text) for pair in texts.items() for text in pair)


def _cbor_text(text: str) -> bytes:
    content = text.encode()
    return (bytes([0x60 | len(content)]) if len(content) < 24 else bytes([0x78, len(content)])) + content
