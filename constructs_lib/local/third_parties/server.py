"""The proxy itself: passes calls on untouched, unless the host that is called has a fault."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from constructs_lib.local import ports
from constructs_lib.local.faults.model import ThirdParty
from constructs_lib.local.router.relay import LARGEST_HEAD, Peer
from constructs_lib.local.third_parties.calls import Calls, Host
from constructs_lib.local.third_parties.connection import Connection
from constructs_lib.local.third_parties.trust import Trust


class ProxyServer:
    """Serves connections by the faults it was given last.

    Args:
        trust: TLS on both sides.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._faults: Mapping[str, ThirdParty] = {}
        self._calls: dict[str, Calls] = {}
        self._connections: dict[Connection, asyncio.Task[None]] = {}

    async def listen(self, port: int) -> asyncio.Server:
        """Serve *port* until what is returned is closed."""
        return await asyncio.start_server(self._serve, ports.HOST, port, limit=LARGEST_HEAD)

    async def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Have exactly *faults* happen from now on, also to what is under way."""
        self._faults = dict(faults)
        for connection, serving in self._connections.items():
            if connection.overtaken:
                connection.count_disturbed()
                serving.cancel()

    async def calls(self) -> Sequence[Calls]:
        """What became of all calls so far, by host."""
        return [replace(each) for _, each in sorted(self._calls.items())]

    async def close(self) -> None:
        """Break the connections there are."""
        for serving in self._connections.values():
            serving.cancel()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(
            Peer(reader, writer),
            trust=self._trust,
            fault=lambda host: host.fault(self._faults),
            calls=self._calls_to,
        )
        serving = asyncio.current_task()
        assert serving is not None
        self._connections[connection] = serving
        try:
            await connection.run()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            # It was broken, one side broke off, or made no sense: the other one notices too.
            connection.reset()
        finally:
            del self._connections[connection]
            connection.close()

    def _calls_to(self, host: Host) -> Calls:
        return self._calls.setdefault(host.name, Calls(host=host.name))
