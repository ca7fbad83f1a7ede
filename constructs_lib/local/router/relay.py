"""Passing HTTP messages from one connection to another as they come, without holding them.

Facts: message framing in RFC 9112, sections 6 and 7; `100 (Continue)` in RFC 9110, section 10.1.1.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"
LARGEST_HEAD = 1 << 20
_PIECE = 1 << 16
_EXPECT = re.compile(rb"\r\nexpect:[^\r]*", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def at(cls, port: int) -> "Peer":
        """A new connection to *port* of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=LARGEST_HEAD))

    @property
    def gone(self) -> bool:
        """Whether the other side has closed it."""
        return self.reader.at_eof() or self.writer.is_closing()

    def abort(self) -> None:
        """Close it at once: the other side sees a reset connection."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Response:
    """The head of an answer."""

    head: bytes

    @classmethod
    async def of(cls, upstream: Peer) -> "Response":
        """The next answer of *upstream*."""
        return cls(await upstream.reader.readuntil(HEAD_END))

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return bool(_CLOSE.search(self.head)) or not (
            _CHUNKED.search(self.head) or _CONTENT_LENGTH.search(self.head) or self.status in (204, 304)
        )

    async def relay_body(self, upstream: Peer, client: asyncio.StreamWriter | None, *, to_head: bool) -> None:
        """Pass the body on; without *client* read and forget it. *to_head*: the request was HEAD, there is none."""
        if to_head or self.status in (204, 304):
            return
        if _CHUNKED.search(self.head):
            await relay_chunks(upstream.reader, client)
        elif length := _CONTENT_LENGTH.search(self.head):
            await relay_bytes(upstream.reader, client, int(length[1]))
        else:
            await relay_bytes(upstream.reader, client, None)


def without_expectation(head: bytes) -> bytes:
    """*head* of a request without its `Expect`, which whoever answers it must not pass on."""
    return _EXPECT.sub(b"", head)


async def relay_bytes(source: asyncio.StreamReader, target: asyncio.StreamWriter | None, length: int | None) -> None:
    """Pass on *length* bytes; None: all until the source ends."""
    left = length
    while left is None or left:
        piece = await source.read(_PIECE if left is None else min(left, _PIECE))
        if not piece:
            if left is not None:
                raise asyncio.IncompleteReadError(b"", left)
            return
        left = None if left is None else left - len(piece)
        if target:
            target.write(piece)
            await target.drain()


async def relay_chunks(source: asyncio.StreamReader, target: asyncio.StreamWriter | None) -> None:
    """Pass on a chunked body as it is framed, trailers included."""
    while True:
        line = await source.readuntil(b"\r\n")
        if target:
            target.write(line)
        size = int(line.split(b";")[0], 16)
        if size:
            await relay_bytes(source, target, size + 2)
            continue
        while line != b"\r\n":
            line = await source.readuntil(b"\r\n")
            if target:
                target.write(line)
        return


async def tunnel(client: Peer, upstream: Peer) -> None:
    """Pass bytes both ways until one side ends: what follows on a connection that was upgraded."""
    ways = [
        asyncio.ensure_future(relay_bytes(client.reader, upstream.writer, None)),
        asyncio.ensure_future(relay_bytes(upstream.reader, client.writer, None)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await way
