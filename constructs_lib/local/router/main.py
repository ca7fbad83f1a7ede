"""The router's process: reads tables from its standard input, one JSON object a line, and says when each is in force.

A process of its own, so that nothing else on this interpreter holds up requests; it ends when its input does, which is
when its owner is gone, however that went.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys

from constructs_lib.local.router.relay import LARGEST_HEAD
from constructs_lib.local.router.server import RouterServer
from constructs_lib.local.router.table import Table


async def serve(port: int) -> None:
    """Serve *port* by the tables that come in, until no more come."""
    tables = asyncio.StreamReader(limit=LARGEST_HEAD)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(tables), sys.stdin)
    server: RouterServer | None = None
    while line := await tables.readline():
        table = Table.from_json(json.loads(line))
        if server is None:
            server = RouterServer(table)
            await server.listen(port)
        await server.apply(table)
        sys.stdout.write("in force\n")
        sys.stdout.flush()
    if server:
        server.close()
        # What is stopped sees no input end: it would stay for ever.
        for group in server.table.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Serve the port given as the only argument."""
    try:
        asyncio.run(serve(int(sys.argv[1])))
    except OSError as error:
        sys.exit(f"The router cannot listen: {error}")


if __name__ == "__main__":
    main()
