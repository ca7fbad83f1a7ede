"""The queue, the tenants table and the web as ingest uses them."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from moto import mock_aws

from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.tenant_throttle import Accept, Decision, Refuse, Sideline, TenantThrottle
from lambdas.ingest.adapters import LONGEST_ANSWER, EventQueue, TenantDirectory, TenantRates, VerifiedWeb
from lambdas.ingest.domain import LARGEST_BODY, OverRateError, UnavailableError
from lambdas.ingest.settings import Settings
from lambdas.shared.environment import MissingSettingError
from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.tenants import TenantRepository
from tests.unit.lambdas.ingest.signing import certificate, private_key
from tests.unit.lambdas.shared.tables import TENANTS, tables

SESSION = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
EVENT = ReceivedEvent(
    endpoint="e",
    origin="http",
    content_type="text/plain",
    raw=b"x" * LARGEST_BODY,
    accepted_at="2026-11-21T03:40:00.000Z",
    accepted_in="us-east-1",
)


@pytest.mark.requirement("ING-01")
def test_the_largest_event_fits_into_one_message_of_its_tenants_group() -> None:
    """A fair queue tells tenants apart by their group."""
    with mock_aws():
        client = SESSION.client("sqs")
        url = client.create_queue(QueueName="events")["QueueUrl"]
        EventQueue(client, url).put(EVENT, event_id="acme:key:1", tenant="acme", correlation_id="c1", aside=False)
        (message,) = client.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    envelope = Envelope.from_json(message["Body"])
    assert len(message["Body"]) < 1024 * 1024
    assert message["Attributes"]["MessageGroupId"] == "acme"
    assert (envelope.id, envelope.tenant, envelope.correlation_id) == ("acme:key:1", "acme", "c1")
    assert ReceivedEvent.from_body(json.loads(json.dumps(envelope.body))) == EVENT


@pytest.mark.requirement("ING-01")
def test_a_queue_or_table_that_fails_means_not_stored() -> None:
    """Whether AWS refuses or nothing answers."""
    nowhere = SESSION.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{closed_port()}",
        config=Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    )
    with pytest.raises(UnavailableError, match="EndpointConnectionError"):
        EventQueue(nowhere, "http://127.0.0.1/q").put(
            EVENT, event_id="1", tenant="acme", correlation_id="c", aside=False
        )
    with mock_aws():
        client = SESSION.client("sqs")
        with pytest.raises(UnavailableError, match="QueueDoesNotExist"):
            EventQueue(client, "https://sqs.us-east-1.amazonaws.com/123456789012/gone").put(
                EVENT, event_id="1", tenant="acme", correlation_id="c", aside=False
            )
    with tables() as dynamodb, pytest.raises(UnavailableError):
        TenantDirectory(TenantRepository(dynamodb, "gone")).tenant_of_endpoint("e")


@pytest.mark.requirement("MSG-10")
@pytest.mark.parametrize(("sideline", "there"), [("sideline", "sideline"), (None, "events")])
def test_what_must_wait_aside_goes_to_the_sideline_if_there_is_one(sideline: str | None, there: str) -> None:
    """In its tenant's group there too."""
    with mock_aws():
        client = SESSION.client("sqs")
        urls = {name: client.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "sideline")}
        queue = EventQueue(client, urls["events"], sideline_url=urls[sideline] if sideline else None)
        queue.put(EVENT, event_id="1", tenant="acme", correlation_id="c", aside=True)
        queue.put(EVENT, event_id="2", tenant="acme", correlation_id="c", aside=False)
        found = {
            Envelope.from_json(message["Body"]).id: (name, message["Attributes"]["MessageGroupId"])
            for name, url in urls.items()
            for message in client.receive_message(QueueUrl=url, AttributeNames=["All"], MaxNumberOfMessages=10).get(
                "Messages", []
            )
        }
    assert found == {"1": (there, "acme"), "2": ("events", "acme")}


@pytest.mark.requirement("MSG-09")
def test_the_throttle_decides_what_becomes_of_an_event() -> None:
    """Taken, taken aside, or refused until a moment that is told."""

    class Deciding(TenantThrottle):
        def __init__(self, decision: Decision) -> None:
            self._decision = decision

        def decide(self, tenant: str) -> Decision:
            return self._decision

    assert TenantRates(Deciding(Accept())).aside("acme") is False
    assert TenantRates(Deciding(Sideline())).aside("acme") is True
    with pytest.raises(OverRateError) as caught:
        TenantRates(Deciding(Refuse(7))).aside("acme")
    assert caught.value.retry_after == 7


def test_an_endpoint_names_its_tenant() -> None:
    """And an unknown one nobody."""
    with tables() as dynamodb:
        dynamodb.put_item(TableName=TENANTS, Item={"id": {"S": "endpoint#e1"}, "tenant": {"S": "acme"}})
        directory = TenantDirectory(TenantRepository(dynamodb, TENANTS))
        assert directory.tenant_of_endpoint("e1") == "acme"
        assert directory.tenant_of_endpoint("e2") is None


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/long")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * (LONGEST_ANSWER + 10))

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def site(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_redirects_are_not_followed_and_answers_are_bounded() -> None:
    """The pinned host would be worth nothing if it could send us elsewhere."""
    web = VerifiedWeb()
    with site() as port:
        assert web.get(f"http://127.0.0.1:{port}/redirect")[0] == 302
        status, body = web.get(f"http://127.0.0.1:{port}/long")
    assert (status, len(body)) == (200, LONGEST_ANSWER)


def test_a_host_without_a_certificate_of_a_known_authority_is_not_trusted(tmp_path: Path) -> None:
    """TLS is the anchor of the whole proof."""
    pem = tmp_path / "server.pem"
    key = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(key + certificate(private_key()))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with site(tls) as port, pytest.raises(UnavailableError, match="SSLError"):
        VerifiedWeb().get(f"https://127.0.0.1:{port}/")


def test_a_host_that_is_not_there_is_unavailable() -> None:
    """Not an unforeseen error."""
    with pytest.raises(UnavailableError):
        VerifiedWeb().get(f"http://127.0.0.1:{closed_port()}/")


ENVIRONMENT = {"AWS_REGION": "eu-west-1", "TENANTS_TABLE": "t", "EVENTS_QUEUE_URL": "q"}


def test_sns_itself_vouches_unless_a_setting_says_otherwise() -> None:
    """The default is the real host."""
    assert Settings.from_environment(ENVIRONMENT).certificate_origin == "https://sns.{region}.amazonaws.com"
    local = Settings.from_environment(ENVIRONMENT | {"SNS_CERTIFICATE_ORIGIN": "http://127.0.0.1:4581/sns/"})
    assert local.certificate_origin == "http://127.0.0.1:4581/sns"


@pytest.mark.parametrize("origin", ["http://sns.example", "ftp://127.0.0.1", "https://a@b", "https://a/?x", "sns"])
def test_plain_http_is_for_this_machine_only(origin: str) -> None:
    """A certificate fetched in the clear proves nothing."""
    with pytest.raises(MissingSettingError, match="SNS_CERTIFICATE_ORIGIN must be an https address"):
        Settings.from_environment(ENVIRONMENT | {"SNS_CERTIFICATE_ORIGIN": origin})


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name: str) -> None:
    """In one sentence."""
    with pytest.raises(MissingSettingError, match=f"{name} is not set"):
        Settings.from_environment({known: value for known, value in ENVIRONMENT.items() if known != name})


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
