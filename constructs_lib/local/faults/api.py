"""The control API of a running local cloud: faults and status as JSON over HTTP, for commands and other languages.

    GET    /_resilience/faults        {"faults": [{"id": "region-1", "kind": "region", "region": "eu-west-1"}]}
    POST   /_resilience/faults        a fault without an id, as application/json; answers 201 with its id
    DELETE /_resilience/faults/<id>   ends one; without an id, all
    POST   /_resilience/checks        a fault as above; answers 200 if it could begin, and 400 with the reason if not
    GET    /_resilience/status        what runs here and how it is

It is reached through the router's port and listens on loopback only.
"""

import http.server
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from constructs_lib.local import ports
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.active import Faults
from constructs_lib.local.faults.notation import from_json

PATH = "/_resilience"
_LONGEST_FAULT = 1 << 16


class FaultsApi:
    """Serves the control API.

    Args:
        faults: What is broken, and can be.
        status: Gives the answer to `GET /_resilience/status`.
    """

    def __init__(self, faults: Faults, status: Callable[[], Mapping[str, Any]]) -> None:
        class Handler(_Handler):
            pass

        Handler.faults, Handler.status = faults, staticmethod(status)
        self._server = http.server.ThreadingHTTPServer((ports.HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faults api", daemon=True)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    faults: Faults
    status: Callable[[], Mapping[str, Any]]

    def do_GET(self) -> None:
        """List faults, or tell the status."""
        if self.path == f"{PATH}/faults":
            self._reply(200, {"faults": self.faults.listed()})
        elif self.path == f"{PATH}/status":
            self._reply(200, self.status())
        else:
            self._reply(404, {"error": f"Nothing is at {self.path}."})

    def do_POST(self) -> None:
        """Begin a fault, or tell whether it could."""
        length = int(self.headers.get("Content-Length") or 0)
        act = {f"{PATH}/faults": self._begin, f"{PATH}/checks": self._check}.get(self.path)
        if act is None or length > _LONGEST_FAULT:
            self._reply(404, {"error": f"A fault is posted to {PATH}/faults, as at most {_LONGEST_FAULT} bytes."})
            return
        # No web page of another origin can send this type without being asked for permission first.
        if self.headers.get_content_type() != "application/json":
            self._reply(415, {"error": "A fault is posted as application/json."})
            return
        try:
            content = json.loads(self.rfile.read(length))
        except ValueError:
            self._reply(400, {"error": "The body is not JSON."})
            return
        self._attempt(lambda: act(content))

    def do_DELETE(self) -> None:
        """End one fault, or all."""
        collection, _, fault_id = self.path.removeprefix(f"{PATH}/").partition("/")
        if collection != "faults":
            self._reply(404, {"error": f"Nothing is at {self.path}."})
            return

        def end() -> tuple[int, Mapping[str, Any]]:
            if fault_id:
                self.faults.clear(fault_id)
            else:
                self.faults.clear_all()
            return 200, {}

        self._attempt(end)

    def log_message(self, *_: Any) -> None:
        """Say nothing on the terminal of whoever runs this."""

    def _begin(self, content: Any) -> tuple[int, Mapping[str, Any]]:
        return 201, {"id": self.faults.inject(from_json(content))}

    def _check(self, content: Any) -> tuple[int, Mapping[str, Any]]:
        self.faults.check(from_json(content))
        return 200, {}

    def _attempt(self, act: Callable[[], tuple[int, Mapping[str, Any]]]) -> None:
        try:
            self._reply(*act())
        except LocalCloudError as error:
            self._reply(400, {"error": str(error)})

    def _reply(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
