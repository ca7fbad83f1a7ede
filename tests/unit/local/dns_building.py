"""Short ways to write records, zones and checks, for the tests of Route 53."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from constructs_lib.local.dns.model import Alias, CheckType, HealthCheck, Policy, Record, Zone

NAME = "api.example.com"


def latency(region: str, *, name: str = NAME, **more: Any) -> Record:
    """A latency record of *region*, to the address that is its name."""
    leads: dict[str, Any] = {} if "alias" in more else {"values": (region,), "ttl": 60}
    return Record(name=name, type="A", policy=Policy.LATENCY, set_identifier=region, region=region, **leads, **more)


def weighted(value: str, weight: int, *, name: str = NAME, **more: Any) -> Record:
    """A weighted record with the address *value*."""
    return Record(
        name=name,
        type="A",
        policy=Policy.WEIGHTED,
        set_identifier=value,
        weight=weight,
        values=(value,),
        ttl=60,
        **more,
    )


def failover(value: str, *, primary: bool, name: str = NAME, **more: Any) -> Record:
    """A failover record with the address *value*."""
    return Record(
        name=name,
        type="A",
        policy=Policy.FAILOVER,
        set_identifier=value,
        primary=primary,
        values=(value,),
        ttl=60,
        **more,
    )


def to(name: str, *, evaluate: bool = True) -> Alias:
    """An alias to *name*."""
    return Alias(name=name, evaluate_target_health=evaluate)


def zone(*records: Record, name: str = "example.com") -> Zone:
    """A zone that holds *records*."""
    return Zone(zone_id=f"Z{name}", name=name, records=records)


def check(check_id: str = "check", **more: Any) -> HealthCheck:
    """A check over HTTP of `/health`, with whatever else is given."""
    usual: dict[str, Any] = {"type": CheckType.HTTP, "host": "endpoint.example.com", "path": "/health"}
    return HealthCheck(check_id=check_id, **(usual | more))


@contextmanager
def endpoint(serve: Callable[[socket.socket, bytes], object]) -> Iterator[str]:
    """The URL of an endpoint that lets *serve* answer each connection, given what was sent first."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection, connection.recv(65536))
            except OSError:
                # Whoever asked has lost patience.
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in threads:
            thread.join()


def answer(body: bytes = b"", *, status: int = 200, headers: str = "") -> bytes:
    """A whole answer over HTTP."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
