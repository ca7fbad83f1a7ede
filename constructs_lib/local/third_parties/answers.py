"""What the proxy says itself: in the place of a host that fails, and about a host it cannot reach.

Facts: 429 in RFC 6585, section 4; Retry-After, in whole seconds, in RFC 9110, section 10.2.3.
"""

import math
from typing import Final

from constructs_lib.local.faults.model import ThirdParty

ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def of_fault(fault: ThirdParty) -> bytes:
    """What the host answers whose fault is `down`, `throttled` or `garbled`."""
    match fault.mode:
        case "throttled":
            return answer(429, "Too many requests.", {"Retry-After": str(math.ceil(fault.retry_after))})
        case "garbled":
            return answer(200, '{"ok": tr<html>upstream', {"Content-Type": "application/json"})
    return answer(503, "Service unavailable.")


def answer(status: int, text: str, headers: dict[str, str] | None = None) -> bytes:
    """An answer, after which the connection ends."""
    body = text.encode()
    fields = {
        "Content-Type": "text/plain; charset=utf-8",
        **(headers or {}),
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
