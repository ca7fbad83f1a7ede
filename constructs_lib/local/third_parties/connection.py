"""One connection of a function to the proxy: a tunnel, or one call.

Facts: CONNECT in RFC 9110, section 9.3.6; calls without a tunnel in RFC 9112, section 3.2.2.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

from constructs_lib.local.faults.model import ThirdParty
from constructs_lib.local.router.relay import HEAD_END, LARGEST_HEAD, Peer, Response, relay_bytes, relay_chunks
from constructs_lib.local.router.request import Request
from constructs_lib.local.third_parties import answers, message
from constructs_lib.local.third_parties.calls import Calls, Host
from constructs_lib.local.third_parties.trust import Trust

# Tunnels to this port carry plain HTTP, those to any other port TLS.
_PLAIN_PORT: Final = 80
_RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Connection:
    """Serves what comes over one connection.

    Args:
        client: The function's end.
        trust: TLS on both sides.
        fault: The fault of a host at this moment; None if it is well.
        calls: Where calls to a host are counted.
    """

    def __init__(
        self,
        client: Peer,
        *,
        trust: Trust,
        fault: Callable[[Host], ThirdParty | None],
        calls: Callable[[Host], Calls],
    ) -> None:
        self._ends = [client]
        self._client = client
        self._trust = trust
        self._fault_of = fault
        self._calls_of = calls
        self._host: Host | None = None
        self._fault: ThirdParty | None = None

    async def run(self) -> None:
        """Serve it to its end."""
        head = await self._client.reader.readuntil(HEAD_END)
        request = Request.parse(head)
        try:
            host = _host(request)
        except ValueError as error:
            await self._say(answers.answer(400, f"This is the proxy to what lies outside AWS: {error}."))
            return
        self._host, self._fault = host, self._fault_of(host)
        calls = self._calls_of(host)
        if self._fault:
            calls.disturbed += 1
        else:
            calls.passed += 1
        calls.open += 1
        try:
            if request.method != "CONNECT":
                await self._meet(request, head, host, tls=False)
            elif self._fault:
                await self._play(host, self._fault, calls)
            else:
                await self._tunnel(host)
        finally:
            calls.open -= 1

    @property
    def overtaken(self) -> bool:
        """Whether it cannot go on as it is, for a fault of its host has begun, or has ended that it waited for."""
        if self._host is None:
            return False
        now, then = self._fault_of(self._host), self._fault
        # What is answered, or is only late, ends by itself when its fault is over.
        return now != then and (now is not None or (then is not None and then.mode == "hanging"))

    def count_disturbed(self) -> None:
        """A fault has begun on the way: it is one of the calls that met one."""
        if self._host and not self._fault:
            self._calls_of(self._host).disturbed += 1

    def reset(self) -> None:
        """End it at once: both sides see a connection that broke."""
        for peer in self._ends:
            # There is none any more once the other side has gone.
            if found := peer.writer.get_extra_info("socket"):
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            peer.abort()

    def close(self) -> None:
        """End it after what was written."""
        for peer in self._ends:
            peer.writer.close()

    async def _tunnel(self, host: Host) -> None:
        if upstream := await self._reach(host, tls=False):
            await self._say(answers.ESTABLISHED)
            ways = [
                asyncio.ensure_future(_pass(self._client, upstream)),
                asyncio.ensure_future(_pass(upstream, self._client)),
            ]
            try:
                await asyncio.gather(*ways)
            finally:
                await _end(*ways)

    async def _play(self, host: Host, fault: ThirdParty, calls: Calls) -> None:
        """Be the host that a tunnel was asked to."""
        await self._say(answers.ESTABLISHED)
        if fault.mode == "refuse":
            await self._client.reader.read(1)
            self.reset()
            return
        tls = host.port != _PLAIN_PORT
        if tls:
            try:
                await self._client.writer.start_tls(self._trust.in_place_of(host.name))
            except ssl.SSLError:
                calls.untrusted += 1
                raise
        head = await self._client.reader.readuntil(HEAD_END)
        await self._meet(Request.parse(head), head, host, tls=tls)

    async def _meet(self, request: Request, head: bytes, host: Host, *, tls: bool) -> None:
        """Answer a request, or have it answered, as the fault of its host will have it."""
        match self._fault:
            case None:
                await self._pass_on(request, head, host, tls=tls)
            case ThirdParty(mode="slow", by=seconds):
                await self._pass_on(request, head, host, tls=tls, late_by=seconds)
            case ThirdParty(mode="refuse"):
                self.reset()
            case ThirdParty(mode="hanging"):
                await relay_bytes(self._client.reader, None, None)
            case fault:
                await self._read_body(request)
                await self._say(answers.of_fault(fault))

    async def _pass_on(self, request: Request, head: bytes, host: Host, *, tls: bool, late_by: float = 0.0) -> None:
        upstream = await self._reach(host, tls=tls)
        if upstream is None:
            return
        upstream.writer.write(message.onward(head))
        body = asyncio.ensure_future(relay_bytes(self._client.reader, upstream.writer, None))
        try:
            while (response := await Response.of(upstream)).status < 200:
                await self._say(response.head)
            await asyncio.sleep(late_by)
            self._client.writer.write(message.last(response.head))
            await response.relay_body(upstream, self._client.writer, to_head=request.method == "HEAD")
            await self._client.writer.drain()
        finally:
            await _end(body)

    async def _reach(self, host: Host, *, tls: bool) -> Peer | None:
        """A connection to the host itself; None if there is none, which has been said."""
        try:
            upstream = Peer(
                *await asyncio.open_connection(
                    host.name, host.port, limit=LARGEST_HEAD, ssl=self._trust.outside if tls else None
                )
            )
        except OSError as error:
            await self._say(answers.answer(502, f"{host.name}:{host.port} cannot be reached: {error}"))
            return None
        self._ends.append(upstream)
        return upstream

    async def _read_body(self, request: Request) -> None:
        # Who is told the answer before all was taken may not get to see it.
        if "expect" in request.headers:
            return
        if (length := request.body_length) is None:
            await relay_chunks(self._client.reader, None)
        else:
            await relay_bytes(self._client.reader, None, length)

    async def _say(self, content: bytes) -> None:
        self._client.writer.write(content)
        await self._client.writer.drain()


def _host(request: Request) -> Host:
    if request.method == "CONNECT":
        return Host.at(request.target)
    scheme, _, rest = request.target.partition("://")
    if scheme.lower() != "http":
        raise ValueError(f"{request.target!r} is not http://HOST/PATH")
    return Host.at(rest.partition("/")[0].partition("?")[0], default_port=_PLAIN_PORT)


async def _pass(source: Peer, target: Peer) -> None:
    """Pass on what comes until it ends, and say so: the other way may go on."""
    await relay_bytes(source.reader, target.writer, None)
    target.writer.write_eof()


async def _end(*ways: "asyncio.Future[None]") -> None:
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
