"""Whether an endpoint's answer passes a health check. No clock, no network."""

import zlib
from dataclasses import dataclass
from typing import Final

from constructs_lib.local.dns.model import HealthCheck
from constructs_lib.local.dns.unknowns import CompressedBody, UnfinishedBody, Unknowns

SEARCHED_BYTES: Final = 5_120
"""Bytes of a body in which the text must stand entirely."""

_UNPACKED: Final = ("gzip", "deflate")
# Packing makes text smaller, and at worst a little larger.
_PACKED_BYTES: Final = 2 * SEARCHED_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one request showed. *reason* says in a few words why."""

    passed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an endpoint answered in time.

    Attributes:
        status: HTTP status.
        well_formed: Whether its headers have the form of RFC 7230.
        encoding: Content-Encoding, in lower case; empty for none.
        body: The beginning of the body, `bytes_wanted` at most.
        in_time: Whether all bytes wanted were there in time.
    """

    status: int
    well_formed: bool = True
    encoding: str = ""
    body: bytes = b""
    in_time: bool = True


def bytes_wanted(encoding: str) -> int:
    """How much of a body with this Content-Encoding a checker reads."""
    return _PACKED_BYTES if encoding in _UNPACKED else SEARCHED_BYTES


def judge(check: HealthCheck, reply: Reply, unknowns: Unknowns) -> Result:
    """Whether *reply* passes *check*, which is one over HTTP."""
    if not reply.well_formed:
        return Result(passed=False, reason="malformed headers")
    if not 200 <= reply.status < 400:
        return Result(passed=False, reason=f"status {reply.status}")
    if not check.type.matches_text:
        return Result(passed=True, reason=f"status {reply.status}")
    if not reply.in_time and unknowns.unfinished_body is UnfinishedBody.FAILS:
        return Result(passed=False, reason="the body did not end in time")
    if check.search_string.encode() in _searched(reply, unknowns):
        return Result(passed=True, reason=f"status {reply.status}, text found")
    missing = f"text not in the first {SEARCHED_BYTES:,} bytes"
    return Result(passed=False, reason=missing if reply.in_time else f"{missing}, of which some did not come in time")


def _searched(reply: Reply, unknowns: Unknowns) -> bytes:
    if reply.encoding not in _UNPACKED:
        return reply.body[:SEARCHED_BYTES]
    # 32 more than the window's bits: told by its header, gzip or zlib.
    unpacking = zlib.decompressobj(zlib.MAX_WBITS + 32)
    try:
        if unknowns.compressed_body is CompressedBody.PACKED_BYTES_COUNT:
            return unpacking.decompress(reply.body[:SEARCHED_BYTES])
        return unpacking.decompress(reply.body, SEARCHED_BYTES)
    except zlib.error:
        return b""
