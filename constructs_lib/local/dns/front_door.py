"""The front door: an HTTP server on loopback that hands each request to a function."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from constructs_lib.local.dns.forward import Request, Response, as_json
from constructs_lib.local.errors import LocalCloudError

Respond = Callable[[Request], Response]

# API Gateway takes no larger payload.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_LARGEST_BODY: Final = 10 * 1024 * 1024


class FrontDoor:
    """Listens on 127.0.0.1 from the moment it is made until it is closed.

    Args:
        port: Port; 0 picks a free one.
        respond: Answers one request; runs in a thread for each connection.

    Attributes:
        port: The port it listens on.

    Raises:
        LocalCloudError: If the port is taken.
    """

    def __init__(self, port: int, respond: Respond) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), _handler(respond))
        except OSError as error:
            raise LocalCloudError(
                f"The front door cannot listen on 127.0.0.1:{port} ({error.strerror}); free the port or choose another."
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="front door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A thread stays with a connection that its client keeps open; closing must not wait for that.
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report."""


def _handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body leave in one piece each; without this the second waits for an acknowledgement of the first.
        disable_nagle_algorithm = True
        # A connection that stays silent is closed, as API Gateway closes it.
        timeout = 60

        def _answer(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if self.headers.get("Transfer-Encoding") or not length.isdecimal():
                self._refuse(411, "send a body with its Content-Length")
            elif int(length) > _LARGEST_BODY:
                self._refuse(413, "the body is larger than 10 MB")
            else:
                self._send(
                    respond(
                        Request(
                            method=self.command,
                            target=self.path,
                            headers=tuple(self.headers.items()),
                            body=self.rfile.read(int(length)),
                        )
                    )
                )

        do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _answer  # noqa: N815 - their names

        def _refuse(self, status: int, reason: str) -> None:
            # What was not read would be taken for the next request.
            self.close_connection = True
            self._send(as_json(status, {"message": reason}))

        def _send(self, response: Response) -> None:
            self.send_response_only(response.status)
            for name, value in response.headers:
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            if response.status >= 200 and response.status not in (204, 304):
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Functions' logs and the status tell more."""

    return Handler
