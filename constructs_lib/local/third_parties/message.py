"""Heads of HTTP messages as a proxy changes them on their way: each call has its connection to itself.

Facts: targets of requests in RFC 9112, section 3.2; headers that go no further in RFC 9110, section 7.6.1.
"""

from typing import Final
from urllib.parse import urlsplit

from constructs_lib.local.router.relay import HEAD_END

_THIS_FAR: Final = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"},
)


def onward(head: bytes) -> bytes:
    """The head of a request as the host itself expects it: with the path only, on a connection for it alone."""
    first, fields = _parts(head)
    method, target, version = first.split(" ")
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = parts._replace(scheme="", netloc="", fragment="", path=parts.path or "/").geturl()
    return _head(f"{method} {target} {version}", fields)


def last(head: bytes) -> bytes:
    """The head of an answer after which the connection ends."""
    return _head(*_parts(head))


def _parts(head: bytes) -> tuple[str, list[str]]:
    first, *fields = head.removesuffix(HEAD_END).decode("latin-1").split("\r\n")
    return first, fields


def _head(first: str, fields: list[str]) -> bytes:
    kept = [each for each in fields if each.partition(":")[0].strip().lower() not in _THIS_FAR]
    return "\r\n".join([first, *kept, "Connection: close"]).encode("latin-1") + HEAD_END
