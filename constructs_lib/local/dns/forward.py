"""Hands a client's request to the region that DNS named, and its answer back."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]

_CONNECT_SECONDS: Final = 5.0
# API Gateway itself gives up on an integration after 30 seconds.
_ANSWER_SECONDS: Final = 31.0
# They belong to one connection, not to the message. RFC 9110, section 7.6.1.
_OF_ONE_CONNECTION: Final = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding")
) | {"upgrade", "proxy-connection"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A client's request. *target* is path and query as sent."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header called *name* in whatever case; empty for none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the client gets."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def as_json(status: int, content: dict[str, Any]) -> Response:
    """A response with *content* as JSON."""
    return Response(status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(content).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds the client waits for a connection and, after that, for each part of the answer."""

    connect: float = _CONNECT_SECONDS
    answer: float = _ANSWER_SECONDS


def forward(request: Request, url: str, region: str, patience: Patience) -> Response:
    """Send *request* to *url* and return the answer.

    A region that cannot be reached is answered for: 502 if it refuses or breaks off, 504 if it stays silent. A real
    client would see its connection fail.
    """
    parts = urlsplit(url)
    _, mark, query = request.target.partition("?")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=patience.connect)
    try:
        connection.connect()
        connection.sock.settimeout(patience.answer)
        connection.putrequest(request.method, parts.path + mark + query, skip_host=True, skip_accept_encoding=True)
        # The name in the URL's place: the emulator finds the API by its path, and would first look for this name.
        connection.putheader("Host", parts.netloc)
        for name, value in request.headers:
            if name.lower() not in _OF_ONE_CONNECTION | {"host", "content-length"}:
                connection.putheader(name, value)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        kept = tuple(
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in _OF_ONE_CONNECTION | {"content-length"}
        )
        return Response(status=answer.status, headers=(*kept, ("X-Served-By-Region", region)), body=answer.read())
    except TimeoutError:
        return as_json(504, {"message": f"{region} did not answer in time", "region": region})
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        return as_json(502, {"message": f"{region} could not be reached: {reason}", "region": region})
    finally:
        connection.close()
