"""The double over HTTP, for a real client: DynamoDB's JSON protocol on loopback."""

import asyncio
import base64
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name

from tests.standins.dynamodb.database import FakeDynamoDB
from tests.standins.dynamodb.faults import Faults, Moment
from tests.standins.dynamodb.refusals import RequestRefusedError

HOST = "127.0.0.1"
_ERROR_PREFIX = "com.amazonaws.dynamodb.v20120810#"


@dataclass(slots=True, kw_only=True)
class Service:
    """Answers requests.

    Attributes:
        database: The tables.
        latency_seconds: How long an answer for one item takes. One for a batch takes 1.5 times as long, a transaction
            twice as long and a fortieth more for each of its actions: an assumption, not a measurement of AWS.
        faults: How it breaks; where it is unreachable, connections end without an answer.
        url: Where it listens.
    """

    database: FakeDynamoDB
    latency_seconds: float = 0.0
    faults: Faults = field(default_factory=Faults)
    url: str = ""

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(_header(line) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                target = headers.get("x-amz-target")
                answer = await self._answer(target.partition(".")[2], body) if target else (200, self._usage())
                if answer is None:
                    break
                status, content = answer
                writer.write(
                    f"HTTP/1.1 {status} .\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    f"Content-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        writer.close()

    def _usage(self) -> bytes:
        """What was used since the last such question, for whoever runs this in a process of its own."""
        usage = self.database.usage
        told = {"calls": usage.calls, "writes": usage.writes, "reads": usage.reads}
        text = json.dumps(told).encode()
        usage.reset()
        return text

    async def _answer(self, name: str, body: bytes) -> tuple[int, bytes] | None:
        operation, request = xform_name(name), _with_bytes(json.loads(body))
        await asyncio.sleep(self.latency_seconds * _times(operation, request))
        self.faults.crash(Moment(operation, request, after=False))
        reach = self.faults.reach(operation)
        if reach in ("refused", "late"):
            return None
        status = 200
        try:
            answer: Mapping[str, Any] = self.database.perform(operation, request, self.faults)
        except RequestRefusedError as refused:
            status = refused.status
            answer = {"__type": _ERROR_PREFIX + refused.name, "message": str(refused), **refused.more}
        self.faults.crash(Moment(operation, request, after=True))
        content = {name: part for name, part in answer.items() if name != "ResponseMetadata"}
        return None if reach == "lost" else (status, json.dumps(content, default=_text).encode())


@contextlib.contextmanager
def serve(
    database: FakeDynamoDB | None = None, *, latency_seconds: float = 0.0, faults: Faults | None = None
) -> Iterator[Service]:
    """Serve in a thread of this process until the block ends; gives the service with its `url`.

    Args:
        database: Default: a new one.
        latency_seconds: As `Service` has it.
        faults: Default: none.
    """
    service = Service(database=database or FakeDynamoDB(), latency_seconds=latency_seconds, faults=faults or Faults())
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(listen(service))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(listener.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def listen(service: Service) -> asyncio.Server:
    """Listen at a free port of loopback and note it."""
    server = await asyncio.start_server(service.connection, HOST, 0, backlog=1_000)
    service.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    return server


def _times(operation: str, request: Mapping[str, Any]) -> float:
    if operation == "transact_write_items":
        return 2 + len(request["TransactItems"]) / 40
    return 1.5 if operation.startswith("batch_") else 1


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def _with_bytes(part: Any) -> Any:
    if isinstance(part, dict):
        if isinstance(part.get("B"), str):
            return {"B": base64.b64decode(part["B"])}
        if isinstance(part.get("BS"), list):
            return {"BS": [base64.b64decode(each) for each in part["BS"]]}
        return {name: _with_bytes(each) for name, each in part.items()}
    return [_with_bytes(each) for each in part] if isinstance(part, list) else part


def _text(content: object) -> str:
    assert isinstance(content, bytes)
    return base64.b64encode(content).decode()
