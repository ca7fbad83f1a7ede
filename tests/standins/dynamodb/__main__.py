"""The double in a process of its own: prints its address, serves until standard input ends.

The one argument is the latency in seconds. A request without a target is answered with the usage since the last one.
"""

import asyncio
import sys

from tests.standins.dynamodb.database import FakeDynamoDB
from tests.standins.dynamodb.server import Service, listen


async def main() -> None:
    """Serve."""
    service = Service(database=FakeDynamoDB(), latency_seconds=float(sys.argv[1]))
    await listen(service)
    print(service.url, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
