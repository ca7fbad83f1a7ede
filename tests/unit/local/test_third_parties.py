import http.client
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local import ports
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import ThirdParty, ThirdPartyMode
from constructs_lib.local.third_parties.calls import Calls, Host
from constructs_lib.local.third_parties.certificates import Authority
from constructs_lib.local.third_parties.proxy import ThirdParties

LARGE = bytes(range(256)) * 8_000


class Shop:
    """A third party on this machine: notes what it is asked."""

    def __init__(self, *, chain: Path | None = None) -> None:
        shop = self
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = self.headers.get("Content-Length")
                body = self.rfile.read(int(length)) if length else b""
                if self.path == "/when-all-is-said":
                    body = self.rfile.read()
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size + 2)[:-2]
                    self.rfile.readline()
                shop.seen.append((self.command, self.path, dict(self.headers.items()), body))
                content = body or b"sold"
                self.send_response(201)
                self.send_header("Set-Cookie", "a=1")
                self.send_header("Set-Cookie", "b=2")
                if self.path == "/until-the-end":
                    self.close_connection = True
                else:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = answer  # noqa: N815 - their names

            def log_message(self, *_: Any) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        if chain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class World:
    """A proxy, a third party that speaks plain HTTP, and one that speaks TLS."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # What this machine trusts: an authority that stands for those of the internet.
        internet = Authority()
        self.machine = folder / "machine.pem"
        self.machine.write_text(internet.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(self.machine))
        chain = folder / "chain.pem"
        chain.write_text(internet.vouch("localhost"))
        self.shop, self.safe_shop = Shop(), Shop(chain=chain)
        self.proxy = ThirdParties(folder / "third-parties")
        self.proxy.start()

    def url(self, scheme: str, path: str = "/") -> str:
        return f"{scheme}://localhost:{(self.shop if scheme == 'http' else self.safe_shop).port}{path}"

    def seen(self, scheme: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return (self.shop if scheme == "http" else self.safe_shop).seen

    def context(self, trusted: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=trusted or self.proxy.environment["SSL_CERT_FILE"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def open(self, request: str | urllib.request.Request, trusted: Path | None = None) -> Any:
        """As a function's HTTP library does that goes by the environment."""
        proxies = {scheme: self.proxy.environment[f"{scheme.upper()}_PROXY"] for scheme in ("http", "https")}
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=self.context(trusted))
        )
        return opener.open(request, timeout=10)

    def ask(self, request: str | urllib.request.Request, trusted: Path | None = None) -> tuple[int, Any, bytes]:
        try:
            with self.open(request, trusted) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def fault(self, mode: ThirdPartyMode, where: str = "localhost", **more: float) -> None:
        self.proxy.apply({"third-party-1": ThirdParty(where=where, mode=mode, **more)})

    def connection(self) -> socket.socket:
        port = int(self.proxy.environment["HTTP_PROXY"].rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port), timeout=10)

    def tunnel(self, host: str, port: int) -> socket.socket:
        one = self.connection()
        one.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert read_head(one).startswith(b"HTTP/1.1 200 ")
        return one

    def calls(self) -> dict[str, tuple[int, int, int]]:
        return {each.host: (each.passed, each.disturbed, each.untrusted) for each in self.proxy.status()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    one = World(tmp_path, monkeypatch)
    yield one
    one.proxy.stop()
    one.shop.close()
    one.safe_shop.close()


def read_head(one: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += one.recv(1)
    return head


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not (holds := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds


both = pytest.mark.parametrize("scheme", ["http", "https"])


@both
def test_without_a_fault_calls_pass_as_they_are(world: World, scheme: str) -> None:
    """Method, path, query, body and headers arrive, and the answer comes back; the proxy leaves no trace."""
    request = urllib.request.Request(world.url(scheme, "/orders?a=%2F"), data=LARGE, headers={"X-Order": "7"})

    status, headers, body = world.ask(request)

    assert (status, headers.get_all("Set-Cookie"), body) == (201, ["a=1", "b=2"], LARGE)
    ((method, path, got, arrived),) = world.seen(scheme)
    assert (method, path, got["X-Order"], arrived) == ("POST", "/orders?a=%2F", "7", LARGE)
    assert not {"Proxy-Connection", "Via", "Forwarded", "X-Forwarded-For"} & set(got)


def test_without_a_fault_the_host_answers_with_its_own_certificate(world: World) -> None:
    """Who trusts nothing of the proxy's is served all the same."""
    assert world.ask(world.url("https"), world.machine)[0] == 201


def test_what_this_machine_trusts_functions_trust_too(world: World) -> None:
    """Their file of certificates holds one more than the machine's, and only functions are told of it."""
    assert world.ask(world.url("https"))[0] == 201
    world.fault("down")
    with pytest.raises(urllib.error.URLError, match=r"CERTIFICATE_VERIFY_FAILED"):
        world.ask(world.url("https"), world.machine)


def test_functions_reach_aws_past_the_proxy(world: World) -> None:
    """What is on loopback, as all of AWS is, needs no proxy; the rest goes there, whatever the scheme."""
    environment = world.proxy.environment

    assert environment["HTTP_PROXY"] == environment["HTTPS_PROXY"]
    assert {"127.0.0.1", "localhost"} <= set(environment["NO_PROXY"].split(","))
    assert environment["SSL_CERT_FILE"] == environment["REQUESTS_CA_BUNDLE"] == environment["AWS_CA_BUNDLE"]


@both
def test_a_host_that_is_down_says_so(world: World, scheme: str) -> None:
    """503, and nothing of the call arrives."""
    world.fault("down")

    assert world.ask(urllib.request.Request(world.url(scheme), data=LARGE))[0] == 503
    assert world.seen(scheme) == []


@both
def test_a_host_that_throttles_says_when_to_come_back(world: World, scheme: str) -> None:
    """429 with Retry-After in whole seconds, not too early."""
    world.fault("throttled", retry_after=2.1)

    status, headers, _ = world.ask(world.url(scheme))

    assert (status, headers["Retry-After"]) == (429, "3")
    assert world.seen(scheme) == []


@both
def test_a_host_that_talks_nonsense_calls_it_json(world: World, scheme: str) -> None:
    """200 with a body that its type promises too much of."""
    world.fault("garbled")

    status, headers, body = world.ask(world.url(scheme))

    assert (status, headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert world.seen(scheme) == []


@both
def test_a_host_that_refuses_resets_the_connection(world: World, scheme: str) -> None:
    """The caller sees a connection that broke, not a proxy that says no."""
    world.fault("refuse")

    with pytest.raises((urllib.error.URLError, ConnectionResetError)) as broke:
        world.ask(world.url(scheme))

    assert isinstance(getattr(broke.value, "reason", broke.value), ConnectionResetError)
    assert world.seen(scheme) == []


@both
def test_a_slow_host_answers_late_and_does_what_it_is_asked(world: World, scheme: str) -> None:
    """The call arrives as it is; its answer comes after the delay."""
    world.fault("slow", by=0.2)
    began = time.monotonic()

    status, headers, body = world.ask(urllib.request.Request(world.url(scheme, "/orders?a=1"), data=LARGE))

    assert time.monotonic() - began >= 0.2
    assert (status, headers.get_all("Set-Cookie"), body) == (201, ["a=1", "b=2"], LARGE)
    assert [(method, path, body) for method, path, _, body in world.seen(scheme)] == [("POST", "/orders?a=1", LARGE)]


@both
def test_a_hanging_host_gives_no_answer_and_breaks_when_the_fault_ends(world: World, scheme: str) -> None:
    """Nothing comes back, nothing arrives; then the caller may try again."""
    world.fault("hanging")
    ended: list[BaseException] = []

    def call() -> None:
        try:
            world.ask(world.url(scheme))
        except (OSError, http.client.HTTPException) as error:
            ended.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert eventually(lambda: world.calls().get("localhost") == (0, 1, 0))
    caller.join(0.2)
    assert ended == []

    world.proxy.apply({})
    caller.join()

    (broke,) = ended
    assert not isinstance(getattr(broke, "reason", broke), TimeoutError)
    assert world.seen(scheme) == []
    assert world.ask(world.url(scheme))[0] == 201


@pytest.mark.parametrize("mode", ["down", "slow", "hanging"])
def test_a_fault_breaks_what_is_open_to_its_host_and_nothing_else(world: World, mode: ThirdPartyMode) -> None:
    """A tunnel that a function kept from before does not carry it past the fault."""
    broken = world.tunnel("localhost", world.shop.port)
    spared = world.tunnel("127.0.0.1", world.shop.port)

    world.fault(mode, by=60)

    with broken, pytest.raises(ConnectionResetError):
        broken.recv(1)
    with spared:
        spared.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_head(spared).startswith(b"HTTP/1.1 201 ")
    assert world.calls() == {"127.0.0.1": (1, 0, 0), "localhost": (1, 1, 0)}


@both
def test_a_late_answer_still_comes_when_the_fault_ends(world: World, scheme: str) -> None:
    """What is under way has been done; only one fault in another's place breaks it."""
    changes: dict[object, dict[str, ThirdParty]] = {
        201: {},
        "broken": {"third-party-2": ThirdParty(where="localhost", mode="down")},
    }
    answers: list[object] = []

    def call() -> None:
        try:
            answers.append(world.ask(world.url(scheme))[0])
        except (OSError, http.client.HTTPException):
            answers.append("broken")

    for number, change in enumerate(changes.values(), start=1):
        world.fault("slow", by=0.5)
        caller = threading.Thread(target=call)
        caller.start()
        assert eventually(lambda calls=number: len(world.seen(scheme)) == calls)  # type: ignore[misc]
        world.proxy.apply(change)
        caller.join()

    assert answers == list(changes)
    assert world.calls() == {"localhost": (0, 2, 0)}


def test_who_does_not_trust_the_proxy_is_counted(world: World) -> None:
    """A library with certificates of its own fails in another way than the fault says: the status tells."""
    world.fault("throttled")

    with pytest.raises(urllib.error.URLError):
        world.ask(world.url("https"), world.machine)

    assert eventually(lambda: world.calls() == {"localhost": (0, 1, 1)})


def test_calls_are_counted_by_host(world: World) -> None:
    """How many went through, and how many met a fault."""
    world.ask(world.url("http"))
    world.ask(world.url("https"))
    assert eventually(lambda: [each.open for each in world.proxy.status()] == [0])
    world.fault("down")
    world.ask(world.url("http"))
    with world.tunnel("127.0.0.1", world.shop.port):
        expected = [Calls(host="127.0.0.1", passed=1, open=1), Calls(host="localhost", passed=2, disturbed=1)]
        assert eventually(lambda: world.proxy.status() == expected)


@both
def test_a_host_that_cannot_be_reached_is_named(world: World, scheme: str) -> None:
    """The caller reads which one, and why; over a tunnel the connection fails."""
    url = f"{scheme}://localhost:{ports.free()}/"

    if scheme == "http":
        status, _, body = world.ask(url)
        assert status == 502
        assert b"cannot be reached" in body
    else:
        with pytest.raises(urllib.error.URLError, match="502 Bad Gateway"):
            world.ask(url)


@pytest.mark.parametrize(
    "first", ["GET / HTTP/1.1", "GET ftp://a/ HTTP/1.1", "CONNECT somewhere HTTP/1.1", "CONNECT :1 HTTP/1.1"]
)
def test_what_is_not_for_a_proxy_is_refused(world: World, first: str) -> None:
    """A web page cannot do anything with it."""
    with world.connection() as one:
        one.sendall(f"{first}\r\nHost: a\r\n\r\n".encode())
        assert read_head(one).startswith(b"HTTP/1.1 400 ")


def test_messages_keep_their_framing(world: World) -> None:
    """Bodies in chunks, answers to HEAD, answers that end with the connection, callers that ask before they send."""
    chunked = urllib.request.Request(
        world.url("http"), data=iter([b"one", b"two"]), headers={"Transfer-Encoding": "chunked"}
    )
    assert world.ask(chunked)[2] == b"onetwo"
    assert world.ask(world.url("http", "/until-the-end"))[2] == b"sold"
    with world.connection() as one:
        url = world.url("http")
        one.sendall(f"POST {url} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode())
        assert read_head(one).startswith(b"HTTP/1.1 100 ")
        one.sendall(b"late")
        assert b"\r\nConnection: close\r\n" in read_head(one)
        assert (one.recv(10), one.recv(10)) == (b"late", b"")
    with world.connection() as one:
        one.sendall(f"HEAD {world.url('http')} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"\r\nContent-Length: 4\r\n" in read_head(one)
        assert one.recv(10) == b""


def test_what_is_meant_for_the_proxy_goes_no_further(world: World) -> None:
    """Nobody outside learns of it."""
    with world.connection() as one:
        secret = "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic YTpi\r\nConnection: keep-alive"
        one.sendall(f"GET {world.url('http')} HTTP/1.1\r\nHost: a\r\n{secret}\r\n\r\n".encode())
        assert read_head(one).startswith(b"HTTP/1.1 201 ")

    ((_, _, arrived, _),) = world.seen("http")
    assert arrived == {"Host": "a", "Connection": "close"}


def test_a_fault_answers_whoever_asks_before_sending_at_once(world: World) -> None:
    """Waiting for a body that is only sent when it is asked for would last for ever."""
    world.fault("down")
    with world.connection() as one:
        url = world.url("http")
        one.sendall(f"POST {url} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode())
        assert read_head(one).startswith(b"HTTP/1.1 503 ")


def test_one_side_of_a_tunnel_may_end_before_the_other(world: World) -> None:
    """Who has said everything still gets the answer."""
    with world.tunnel("localhost", world.shop.port) as one:
        one.sendall(b"POST /when-all-is-said HTTP/1.1\r\nHost: a\r\n\r\nall")
        one.shutdown(socket.SHUT_WR)
        assert read_head(one).startswith(b"HTTP/1.1 201 ")
        assert (one.recv(10), one.recv(10)) == (b"all", b"")


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("api.example.com", True),
        ("API.example.com", True),
        ("*.example.com", True),
        ("*", True),
        ("api.example.com:8443", True),
        ("api.example.com:443", False),
        ("example.com", False),
        ("*.api.example.com", False),
    ],
)
def test_a_fault_names_hosts_as_shells_name_files(where: str, meant: bool) -> None:
    """A name means that host only; `*` stands for anything; a port means that port only."""
    faults = {"1": ThirdParty(where="www.example.com", mode="down"), "2": ThirdParty(where=where, mode="refuse")}

    assert (Host.at("Api.Example.com:8443").fault(faults) is faults["2"]) is meant


def test_the_first_fault_of_a_host_counts() -> None:
    """Several may mean it."""
    faults = {mode: ThirdParty(where="*", mode=mode) for mode in ("slow", "down")}

    assert Host.at("api.example.com:1").fault(faults) == faults["slow"]


@pytest.mark.parametrize("where", ["api.example.com", "*.example.com", "*", "api.example.com:8443", "10.0.0.1"])
def test_faults_of_hosts_can_happen(world: World, where: str) -> None:
    """By name, pattern or address."""
    assert world.proxy.objection(ThirdParty(where=where, mode="down")) is None


@pytest.mark.parametrize(
    "where", ["slack", "https://api.example.com", "api.example.com/v1", "api.example.com:https", ""]
)
def test_what_names_no_host_is_refused(world: World, where: str) -> None:
    """The sentence shows how a host is named."""
    objection = world.proxy.objection(ThirdParty(where=where, mode="down"))

    assert objection == f"{where!r} is not the name of a host, such as api.example.com or *.example.com"


def test_a_port_that_was_taken_meanwhile_is_one_sentence(tmp_path: Path) -> None:
    """Whoever starts reads which one."""
    proxy = ThirdParties(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(proxy.environment["HTTP_PROXY"].rpartition(":")[2])))
        other.listen()
        with pytest.raises(LocalCloudError, match=r"cannot listen on 127\.0\.0\.1:\d+ \(.*\); start again"):
            proxy.start()
    proxy.stop()


def test_one_that_was_never_started_has_nothing_to_tell_or_stop(tmp_path: Path) -> None:
    """A start of the local cloud may end before it."""
    proxy = ThirdParties(tmp_path)

    assert proxy.status() == ()
    proxy.stop()


def test_stopping_breaks_what_is_open(world: World) -> None:
    """Nobody waits for a proxy that is gone, and nothing of it goes on."""
    with world.tunnel("localhost", world.shop.port) as one:
        world.proxy.stop()
        with pytest.raises(ConnectionResetError):
            one.recv(1)
    assert "third parties" not in {thread.name for thread in threading.enumerate()}


def test_a_machine_without_certificates_gets_those_that_browsers_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some builds of Python do not find those of their machine; functions reach the outside all the same."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    proxy = ThirdParties(tmp_path)
    proxy.start()
    proxy.stop()

    context = ssl.create_default_context(cafile=proxy.environment["SSL_CERT_FILE"])
    assert context.cert_store_stats()["x509_ca"] > 20
