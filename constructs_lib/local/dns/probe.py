"""Carries out one request of a health check, over a real connection and within real limits of time."""

import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from constructs_lib.local.dns.judgement import Reply, Result, bytes_wanted, judge
from constructs_lib.local.dns.model import CheckType, HealthCheck
from constructs_lib.local.dns.unknowns import HandshakeTime, Unknowns


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds an endpoint has. Defaults are those of Route 53.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html

    Attributes:
        connect: For the connection, before a request over HTTP.
        answer: From the connection to the status and headers.
        body: From the headers to the part of the body that is searched.
        tcp: For the connection, where that is all that is checked.
    """

    connect: float = 4.0
    answer: float = 2.0
    body: float = 2.0
    tcp: float = 10.0


def probe(check: HealthCheck, url: str, limits: Limits, unknowns: Unknowns) -> Result:
    """Ask the endpoint of *check*, which is reached at *url*, and judge its answer.

    Certificates are not looked at, as Route 53 does not look at them.
    """
    parts = urlsplit(url)
    patience = limits.tcp if check.type is CheckType.TCP else limits.connect
    deadline = time.monotonic() + patience
    try:
        connection = socket.create_connection(
            (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), timeout=patience
        )
    except TimeoutError:
        return Result(passed=False, reason=f"no connection within {patience:g} s")
    except OSError as error:
        return Result(passed=False, reason=f"no connection: {error.strerror or error}")
    with connection:
        if check.type is CheckType.TCP:
            return Result(passed=True, reason="connected")
        if unknowns.handshake_time is HandshakeTime.PART_OF_ANSWER:
            deadline = time.monotonic() + limits.answer
        try:
            with _secured(connection, check, parts, deadline) as channel:
                if unknowns.handshake_time is HandshakeTime.PART_OF_CONNECTION:
                    deadline = time.monotonic() + limits.answer
                return judge(check, _exchange(channel, check, parts, deadline, limits.body), unknowns)
        except TimeoutError:
            return Result(passed=False, reason=f"no answer within {limits.answer:g} s")
        except (OSError, http.client.HTTPException) as error:
            return Result(passed=False, reason=f"no answer: {error or type(error).__name__}")


def _secured(connection: socket.socket, check: HealthCheck, parts: SplitResult, deadline: float) -> socket.socket:
    if parts.scheme != "https":
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection.settimeout(_left(deadline))
    return context.wrap_socket(connection, server_hostname=check.host if check.enable_sni else None)


def _exchange(
    channel: socket.socket, check: HealthCheck, parts: SplitResult, deadline: float, for_body: float
) -> Reply:
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"User-Agent: Amazon-Route53-Health-Check-Service (ref {check.check_id})\r\n\r\n"
    )
    channel.settimeout(_left(deadline))
    channel.sendall(request.encode())
    stream = _Stream(channel, deadline)
    with http.client.HTTPResponse(cast("socket.socket", stream)) as response:
        response.begin()
        encoding = (response.getheader("Content-Encoding") or "").lower()
        body, in_time = b"", True
        if check.type.matches_text:
            stream.reader.deadline = time.monotonic() + for_body
            body, in_time = _beginning(response, bytes_wanted(encoding))
        return Reply(
            status=response.status,
            well_formed=not response.msg.defects,
            encoding=encoding,
            body=body,
            in_time=in_time,
        )


def _beginning(response: http.client.HTTPResponse, wanted: int) -> tuple[bytes, bool]:
    body = b""
    try:
        while len(body) < wanted and (piece := response.read1(wanted - len(body))):
            body += piece
    except (OSError, http.client.HTTPException):
        return body, False
    # The library takes the end of the connection for the end of the body, but knows what was announced.
    return body, len(body) == wanted or not response.length


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket until a moment that no drop by drop can put off."""

    def __init__(self, channel: socket.socket, deadline: float) -> None:
        self._channel = channel
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._channel.settimeout(_left(self.deadline))
        return self._channel.recv_into(buffer)


class _Stream:
    """All that `http.client` wants of a socket: that it makes a file."""

    def __init__(self, channel: socket.socket, deadline: float) -> None:
        self.reader = _DeadlineReader(channel, deadline)

    def makefile(self, *_: Any, **__: Any) -> Any:
        """The reading side."""
        return io.BufferedReader(self.reader)
