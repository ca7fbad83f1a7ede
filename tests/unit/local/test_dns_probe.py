"""Requests of health checks, over real connections to endpoints that behave in many ways."""

import datetime
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from constructs_lib.local.dns.judgement import Result
from constructs_lib.local.dns.model import CheckType, HealthCheck
from constructs_lib.local.dns.probe import Limits, probe
from constructs_lib.local.dns.unknowns import HandshakeTime, UnfinishedBody, Unknowns
from tests.unit.local.dns_building import answer, check, endpoint

USUAL = Unknowns()
SHORT = Limits(connect=0.2, answer=0.2, body=0.2, tcp=0.2)
MATCHING = check(type=CheckType.HTTP_STR_MATCH, search_string="healthy")


def result(sent: bytes, asking: HealthCheck = MATCHING, *, path: str = "/health") -> Result:
    """What a check finds at an endpoint that sends *sent* and closes."""
    with endpoint(lambda connection, _: connection.sendall(sent)) as url:
        return probe(asking, url + path, SHORT, USUAL)


def test_endpoints_have_the_time_aws_gives_them() -> None:
    """Four seconds to connect, two for status, two for the body; ten where connecting is all."""
    assert Limits() == Limits(connect=4.0, answer=2.0, body=2.0, tcp=10.0)


def test_an_answer_with_the_text_passes() -> None:
    """With its length said, in pieces, or up to the end of the connection."""
    assert result(answer(b"all healthy")).passed
    assert result(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n").passed
    assert result(b"HTTP/1.0 200 X\r\n\r\nhealthy").passed


def test_an_answer_without_the_text_or_with_another_status_fails() -> None:
    """And says which."""
    assert result(answer(b"ill")) == Result(passed=False, reason="text not in the first 5,120 bytes")
    assert result(answer(b"healthy", status=503)) == Result(passed=False, reason="status 503")


def test_only_the_first_5120_bytes_are_read() -> None:
    """What is behind them is not waited for."""
    endless = b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n" + b"healthy".ljust(5120)

    def hang(connection: socket.socket, _: bytes) -> None:
        connection.sendall(endless)
        connection.recv(1)

    for choice in UnfinishedBody:
        with endpoint(hang) as url:
            assert probe(MATCHING, url, SHORT, Unknowns(unfinished_body=choice)).passed


def test_the_endpoint_is_asked_for_the_path_by_name() -> None:
    """With path and query, once, by a checker that says what it is."""
    seen: list[bytes] = []

    def note(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.sendall(answer())

    with endpoint(note) as url:
        assert probe(check("my-check"), f"{url}/health?deep=1", SHORT, USUAL).passed
    (request,) = seen
    assert request.startswith(b"GET /health?deep=1 HTTP/1.1\r\n")
    assert b"User-Agent: Amazon-Route53-Health-Check-Service (ref my-check)" in request


def test_redirections_are_not_followed() -> None:
    """They pass as they are."""
    assert result(answer(status=302, headers="Location: http://127.0.0.1:1/\r\n"), check()).passed


def test_malformed_headers_fail() -> None:
    """Like a line that is no header."""
    assert result(b"HTTP/1.1 200 X\r\nno header\r\n\r\nhealthy").reason == "malformed headers"


@pytest.mark.parametrize("sent", [b"", b"gibberish\r\n\r\n", b"HTTP/1.1 200 X\r\nConte"])
def test_what_is_no_answer_fails(sent: bytes) -> None:
    """Nothing, something else, or half of one."""
    assert not result(sent).passed


def test_an_endpoint_that_refuses_fails() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    assert probe(check(), url, SHORT, USUAL) == Result(passed=False, reason="no connection: Connection refused")


def test_an_endpoint_that_does_not_accept_fails_in_time() -> None:
    """Its queue is full, so that packets are lost as on the way to a dead host."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        try:
            for kind in (CheckType.HTTP, CheckType.TCP):
                found = probe(check(type=kind), f"http://127.0.0.1:{address[1]}/", SHORT, USUAL)
                assert found == Result(passed=False, reason="no connection within 0.2 s")
        finally:
            for each in waiting:
                each.close()


def test_a_silent_endpoint_fails_in_time() -> None:
    """It accepts, and says nothing."""
    started = time.monotonic()
    with endpoint(lambda connection, _: connection.recv(1)) as url:
        assert probe(check(), url, SHORT, USUAL) == Result(passed=False, reason="no answer within 0.2 s")
    assert time.monotonic() - started < 2


def drip(connection: socket.socket, sent: bytes) -> None:
    """Send byte by byte, each well within the limit, all of them far beyond it."""
    connection.settimeout(0.05)
    for byte in sent:
        connection.sendall(bytes([byte]))
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def test_a_dripping_answer_does_not_put_off_its_limit() -> None:
    """Status and headers must all be there in time."""
    with endpoint(lambda connection, _: drip(connection, answer(b"healthy"))) as url:
        assert probe(MATCHING, url, SHORT, USUAL).reason == "no answer within 0.2 s"


def test_a_dripping_body_has_its_own_limit() -> None:
    """It counts from the headers; without a text to search, the body is not waited for."""

    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n")
        drip(connection, b"." * 100)

    with endpoint(serve) as url:
        assert not probe(MATCHING, url, SHORT, USUAL).passed
        started = time.monotonic()
        assert probe(check(), url, Limits(), USUAL).passed
        assert time.monotonic() - started < 1


def test_a_body_may_come_after_the_limit_of_the_status() -> None:
    """Its own limit only begins then."""

    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 7\r\n\r\n")
        threading.Event().wait(0.4)
        connection.sendall(b"healthy")

    with endpoint(serve) as url:
        assert probe(MATCHING, url, Limits(answer=0.2, body=5), USUAL).passed


def test_a_body_that_breaks_off_did_not_end() -> None:
    """It is shorter than announced: like one that is late."""
    with endpoint(
        lambda connection, _: connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhealthy")
    ) as url:
        for choice, expected in ((UnfinishedBody.PASSES, True), (UnfinishedBody.FAILS, False)):
            assert probe(MATCHING, url, SHORT, Unknowns(unfinished_body=choice)).passed is expected


def test_unknown_whether_a_body_must_end_in_time_on_the_wire() -> None:
    """The text comes at once, the rest of what was announced never."""

    def serve(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhealthy")
        connection.recv(1)

    for choice, expected in ((UnfinishedBody.PASSES, True), (UnfinishedBody.FAILS, False)):
        with endpoint(serve) as url:
            assert probe(MATCHING, url, SHORT, Unknowns(unfinished_body=choice)).passed is expected


def test_a_tcp_check_only_connects() -> None:
    """The endpoint need not speak."""
    with endpoint(lambda connection, _: None) as url:
        assert probe(check(type=CheckType.TCP), url, SHORT, USUAL) == Result(passed=True, reason="connected")


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate nobody trusts, of another name, that has run out, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another.example.com")])
    then = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(then)
        .not_valid_after(then + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("enable_sni", [False, True])
def test_certificates_are_not_looked_at(self_signed: Path, enable_sni: bool) -> None:
    """The check passes; the handshake names the host if it is to."""
    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed)
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    def serve(connection: socket.socket, first: bytes) -> None:
        channel = context.wrap_bio(incoming := ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_side=True)
        incoming.write(first)
        for step in (channel.do_handshake, channel.read, lambda: channel.write(answer(b"healthy"))):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
        connection.sendall(outgoing.read())

    asking = check(type=CheckType.HTTPS_STR_MATCH, search_string="healthy", enable_sni=enable_sni)
    with endpoint(serve) as url:
        found = probe(asking, url.replace("http:", "https:"), Limits(), USUAL)
    assert found == Result(passed=True, reason="status 200, text found")
    assert named == (["endpoint.example.com"] if enable_sni else [None])


def test_unknown_which_limit_covers_the_handshake() -> None:
    """It hangs: the limit that covers it is the one that ends it."""
    for choice, limits in (
        (HandshakeTime.PART_OF_ANSWER, Limits(connect=60, answer=0.2)),
        (HandshakeTime.PART_OF_CONNECTION, Limits(connect=0.2, answer=60)),
    ):
        started = time.monotonic()
        with endpoint(lambda connection, _: connection.recv(1)) as url:
            asking = check(type=CheckType.HTTPS)
            assert not probe(asking, url.replace("http:", "https:"), limits, Unknowns(handshake_time=choice)).passed
        assert time.monotonic() - started < 5
