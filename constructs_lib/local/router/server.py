"""The router itself: one port for all of AWS, one emulator per region behind it.

It knows nothing but its table. Requests are passed on as they come; what the table disturbs is answered here, and
what it calls lost or cut off gets its connection reset, as if nobody were there.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import filterfalse

from constructs_lib.local.router import refusal as router_refusal
from constructs_lib.local.router.relay import (
    HEAD_END,
    LARGEST_HEAD,
    Peer,
    Response,
    relay_bytes,
    relay_chunks,
    tunnel,
    without_expectation,
)
from constructs_lib.local.router.request import Request
from constructs_lib.local.router.table import LOOKED_FOR_EVERYWHERE, Table

_HOST = "127.0.0.1"
# A body up to here is read before it is passed on: its operation may have to be read, and it may be sent twice.
_HELD_BODY = 1 << 20
_LOOK_AFTER_CLIENT = 1.0
_OWNER_TIMEOUT = 5.0


class RouterServer:
    """Serves connections by the table it was given last."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.changed = asyncio.Event()
        self._owners: dict[str, str] = {}
        self._listening: dict[int, asyncio.Server] = {}
        self._connections: set[_Connection] = set()

    async def listen(self, port: int) -> None:
        """Serve *port*, if it is not served yet."""
        if port not in self._listening:
            self._listening[port] = await asyncio.start_server(self._serve, _HOST, port, limit=LARGEST_HEAD)

    def close(self) -> None:
        """Accept no more connections, and end those there are."""
        for listening in self._listening.values():
            listening.close()
        for connection in list(self._connections):
            connection.abort()

    async def apply(self, table: Table) -> None:
        """Go by *table* from now on, also for what is under way."""
        for port in (*table.origins, table.inner_port):
            if port is not None:
                await self.listen(port)
        self.table = table
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
        for connection in list(self._connections):
            connection.look()

    async def owner(self, api_id: str) -> str | None:
        """The region in which the API is; None if there is no such API."""
        table = self.table
        if len(table.regions) == 1:
            return table.home
        if api_id not in self._owners:
            there = filterfalse(table.lost.__contains__, table.regions)
            for region, found in [(region, await self._has_api(region, api_id)) for region in there]:
                if found:
                    self._owners[api_id] = region
        # Known nowhere else, it can only be in a region that does not answer.
        return self._owners.get(api_id) or next(iter(sorted(table.lost)), None)

    async def _has_api(self, region: str, api_id: str) -> bool:
        for path in (f"/v2/apis/{api_id}", f"/restapis/{api_id}"):
            scope = f"Credential=test/20000101/{region}/apigateway/aws4_request"
            head = f"GET {path} HTTP/1.1\r\nHost: {_HOST}\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\n"
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(_OWNER_TIMEOUT):
                    upstream = await Peer.at(self.table.regions[region])
                    upstream.writer.write(f"{head}Connection: close\r\n\r\n".encode())
                    status = (await Response.of(upstream)).status
                    upstream.writer.close()
                    if status == 200:
                        return True
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, Peer(reader, writer))
        self._connections.add(connection)
        try:
            # A connection that ends in the middle, on either side, is the other side's to notice.
            with contextlib.suppress(
                asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError
            ):
                await connection.run()
        finally:
            self._connections.discard(connection)
            connection.close()


class _Connection:
    """One client's connection, with the upstream connections that serve it."""

    def __init__(self, server: RouterServer, client: Peer) -> None:
        self._server = server
        self._client = client
        self._port: int = client.writer.get_extra_info("sockname")[1]
        self._upstreams: dict[int, Peer] = {}
        self._region: str | None = None

    async def run(self) -> None:
        """Answer requests one after the other, as long as the client asks."""
        while True:
            head = await self._client.reader.readuntil(HEAD_END)
            if not await self._answer(Request.parse(head), head):
                return
            self._region = None

    def look(self) -> None:
        """The table has changed: stop what cannot go on."""
        if self._region and not self._reachable(self._region):
            self.abort()

    def abort(self) -> None:
        """End it at once, on both sides."""
        for peer in (self._client, *self._upstreams.values()):
            peer.abort()

    def close(self) -> None:
        """Close both ends."""
        self._client.writer.close()
        for upstream in self._upstreams.values():
            upstream.writer.close()

    def _reachable(self, region: str) -> bool:
        return self._server.table.reachable(region, self._server.table.origins.get(self._port))

    async def _answer(self, request: Request, head: bytes) -> bool:
        """Answer one request. Gives whether the connection may carry another."""
        if "expect" in request.headers:
            self._client.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = without_expectation(head)
        length = request.body_length
        body = None
        if length is not None and length <= _HELD_BODY:
            body = await self._client.reader.readexactly(length)
        if request.path.startswith("/_resilience/"):
            port = self._server.table.control_port
            return port is not None and await self._forward([port], request, head, body)
        if request.path.startswith("/_ministack/") and request.method != "GET" and body is not None:
            return await self._tell_everyone(request, head + body)
        region = await self._server.owner(request.api_id) if request.api_id else self._server.table.region(request)
        region = region or self._server.table.home
        self._region = region
        if not await self._undisturbed(request, region, body or b""):
            return False
        return await self._forward(self._ports(request, region), request, head, body)

    def _disturbance(self, request: Request, region: str, body: bytes) -> str | None:
        table = self._server.table
        return None if self._port == table.inner_port else table.disturbance(request, region, body)

    async def _undisturbed(self, request: Request, region: str, body: bytes) -> bool:
        """Whether the request may go on, now or after a while; if not, it has had its answer."""
        slowed: set[str] = set()
        while (name := self._disturbance(request, region, body)) and name not in slowed:
            disturbance = self._server.table.disturbances[name]
            match disturbance.mode:
                case "throttled":
                    return await self._refuse(router_refusal.throttled(request))
                case "failed":
                    return await self._refuse(router_refusal.failed(request))
                case "slow":
                    await asyncio.sleep(disturbance.by)
                    slowed.add(name)
                case "hanging":
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._server.changed.wait(), _LOOK_AFTER_CLIENT)
                    if self._client.gone:
                        return False
        if self._reachable(region):
            return True
        self._client.abort()
        return False

    async def _refuse(self, answer: bytes) -> bool:
        self._client.writer.write(answer)
        await self._client.writer.drain()
        return False

    def _ports(self, request: Request, region: str) -> list[int]:
        """Where to ask, one after the other as long as nothing is found."""
        table = self._server.table
        others = filter(self._reachable, table.regions) if request.service in LOOKED_FOR_EVERYWHERE else ()
        return [table.regions[each] for each in dict.fromkeys([region, *others])]

    async def _forward(self, ports: Sequence[int], request: Request, head: bytes, body: bytes | None) -> bool:
        """Pass the request on and the answer back. Gives whether the connection may carry another request."""
        to_head = request.method == "HEAD"
        for port in ports[:-1] if body is not None else ():
            upstream, response = await self._ask(port, request, head, body)
            if response.status != 404:
                break
            await response.relay_body(upstream, None, to_head=to_head)
        else:
            upstream, response = await self._ask(ports[-1] if body is not None else ports[0], request, head, body)
        self._client.writer.write(response.head)
        if response.status == 101:
            await tunnel(self._client, upstream)
            return False
        await response.relay_body(upstream, self._client.writer, to_head=to_head)
        await self._client.writer.drain()
        return not response.closes or to_head

    async def _ask(self, port: int, request: Request, head: bytes, body: bytes | None) -> tuple[Peer, Response]:
        kept = self._upstreams.get(port)
        # What cannot be sent twice never meets a connection that may be about to close.
        if kept and not kept.gone and body is not None:
            try:
                return kept, await self._exchange(kept, request, head, body)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if isinstance(error, asyncio.IncompleteReadError) and error.partial:
                    raise
        if kept:
            kept.writer.close()
        self._upstreams[port] = upstream = await Peer.at(port)
        return upstream, await self._exchange(upstream, request, head, body)

    async def _exchange(self, upstream: Peer, request: Request, head: bytes, body: bytes | None) -> Response:
        upstream.writer.write(head + (body or b""))
        if body is None:
            if (length := request.body_length) is None:
                await relay_chunks(self._client.reader, upstream.writer)
            else:
                await relay_bytes(self._client.reader, upstream.writer, length)
        await upstream.writer.drain()
        while (response := await Response.of(upstream)).status in range(102, 200) or response.status == 100:
            self._client.writer.write(response.head)
        return response

    async def _tell_everyone(self, request: Request, message: bytes) -> bool:
        """A control call, which names no region: the answer is that of the first region in which it succeeded."""
        answers = []
        for region in filter(self._reachable, self._server.table.regions):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                upstream = await Peer.at(self._server.table.regions[region])
                try:
                    answers.append((await self._exchange(upstream, request, message, b"")).status)
                finally:
                    upstream.writer.close()
        status = min(answers, default=503)
        self._client.writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n".encode())
        await self._client.writer.drain()
        return True
