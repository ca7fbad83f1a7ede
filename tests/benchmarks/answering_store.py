"""A store that answers every request at once, in a process of its own, and says when."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread

# Whoever has not called by then never will.
PATIENCE_SECONDS = 30

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, and print path and time of each."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            writer.write(ANSWER)
            await writer.drain()
            print(head.split(b" ", 2)[1].decode(), time.monotonic(), flush=True)
    writer.close()


async def serve() -> None:
    """Print the port, then serve until standard input ends."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def running() -> Iterator[tuple[str, Callable[[str], float]]]:
    """Run it; gives its URL, and a function that waits for the first answer below a path and gives its time."""
    command = [sys.executable, "-m", "tests.benchmarks.answering_store"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        answers: SimpleQueue[str] = SimpleQueue()
        Thread(target=lambda lines: deque(map(answers.put, lines), 0), args=(process.stdout,), daemon=True).start()

        def first(below: str) -> float:
            while True:
                path, moment = answers.get(timeout=PATIENCE_SECONDS).split()
                if path.startswith(below):
                    return float(moment)

        try:
            yield f"http://127.0.0.1:{port}", first
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve())
