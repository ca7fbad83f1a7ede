"""The front door answers for the names in DNS, and sends each client to the region that Route 53 would name."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.local.dns.forward import Patience
from constructs_lib.local.dns.model import ApiMapping, CheckType, CustomDomain, Dns, HealthCheck, Record
from constructs_lib.local.dns.probe import Limits
from constructs_lib.local.dns.route53 import Route53
from constructs_lib.local.dns.unknowns import ResourceTtl, Unknowns
from constructs_lib.local.errors import LocalCloudError
from tests.unit.local.dns_building import NAME, answer, endpoint, latency, to, zone

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
UNCACHED = Unknowns(resource_ttl=ResourceTtl.NONE)
QUICK = Limits(connect=0.3, answer=0.3, body=0.3)


def api(region: str) -> str:
    return f"{region[:2]}api.execute-api.{region}.amazonaws.com"


def host(region: str) -> str:
    return f"d-{region}.execute-api.{region}.amazonaws.com"


def in_two_regions(*, name: str = NAME, **check: Any) -> Dns:
    """One name, an API and a health check in each of two regions, as `MultiRegionApi` makes them."""
    regions = (IRELAND, VIRGINIA)
    return Dns(
        zones=(zone(*(latency(r, name=name, alias=to(host(r)), health_check_id=f"check-{r}") for r in regions)),),
        health_checks=tuple(
            HealthCheck(
                check_id=f"check-{r}",
                type=CheckType.HTTPS_STR_MATCH,
                host=api(r),
                path="/health",
                search_string='"status":"healthy"',
                **check,
            )
            for r in regions
        ),
        custom_domains=tuple(
            CustomDomain(
                name=name,
                host=host(r),
                region=r,
                mappings=(ApiMapping(base_path="", api_id=f"{r[:2]}api", stage="$default"),),
            )
            for r in regions
        ),
        limitations=("something is different",),
    )


@dataclass
class Region:
    """The API of a region: says who it is, and whether it is well."""

    name: str
    healthy: bool = True
    seen: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket, request: bytes) -> None:
        announced = re.search(rb"Content-Length: (\d+)", request)
        # Head and body may come one after the other.
        while announced and len(request.partition(b"\r\n\r\n")[2]) < int(announced[1]):
            request += connection.recv(65536) or b" "
        if request.startswith(b"GET /health "):
            status = "healthy" if self.healthy else "unhealthy"
            connection.sendall(answer(f'{{"status":"{status}"}}'.encode(), status=200 if self.healthy else 503))
        else:
            self.seen.append(request)
            connection.sendall(answer(self.name.encode(), headers="Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"))


@dataclass
class World:
    """Regions that answer, and the Route 53 in front of them."""

    route53: Route53
    regions: dict[str, Region]
    close: dict[str, Callable[[], None]]

    def get(self, path: str = "/orders", *, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
        """An answer: status, headers and body."""
        sent = {"Host": NAME} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.route53.url.removeprefix("http://"), timeout=10)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def region(self, **headers: str) -> str:
        """Which region answers."""
        return str(self.get("/orders", method="GET", body=None, **headers)[1]["X-Served-By-Region"])

    def eventually(self, holds: Callable[[], bool]) -> None:
        """Wait until *holds*, a few seconds at most."""
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline, f"did not come to hold: {self.route53.status()}"
            threading.Event().wait(0.01)


@contextmanager
def world(
    dns: Dns | None = None, *, time_scale: float = 1000, unknowns: Unknowns = UNCACHED, patience: Patience | None = None
) -> Iterator[World]:
    """Two regions and a Route 53 a thousand times faster than AWS's."""
    with ExitStack() as running:
        regions = {name: Region(name) for name in (VIRGINIA, IRELAND)}
        listening = {name: ExitStack() for name in regions}
        urls = {api(name): listening[name].enter_context(endpoint(regions[name].serve)) for name in regions}
        for each in listening.values():
            running.enter_context(each)

        def local_url(url: str) -> str:
            asked, _, path = url.removeprefix("https://").partition("/")
            if asked not in urls:
                raise LocalCloudError(f"{asked} is not here")
            return f"{urls[asked]}/{path}"

        route53 = Route53(
            dns or in_two_regions(),
            local_url,
            regions=(VIRGINIA, IRELAND),
            time_scale=time_scale,
            limits=QUICK,
            unknowns=unknowns,
            patience=patience or Patience(),
        )
        running.callback(route53.stop)
        route53.start()
        yield World(route53, regions, {name: listening[name].close for name in regions})


def test_a_client_is_sent_to_its_nearest_region() -> None:
    """It says where it is; one that does not is in the first region."""
    with world() as here:
        assert here.region(X_Client_Region="eu-central-1") == IRELAND
        assert here.region(X_Client_Region="us-west-2") == VIRGINIA
        assert here.region() == VIRGINIA


def test_a_region_whose_health_check_fails_gets_no_clients_until_it_recovers() -> None:
    """Its check is really carried out."""
    with world() as here:
        here.regions[IRELAND].healthy = False
        here.eventually(lambda: here.region(X_Client_Region=IRELAND) == VIRGINIA)
        here.regions[IRELAND].healthy = True
        here.eventually(lambda: here.region(X_Client_Region=IRELAND) == IRELAND)


def test_clients_of_a_region_that_is_gone_fail_until_dns_names_another() -> None:
    """At first they are still sent there, and get 502; the threshold later they are served elsewhere."""
    with world(time_scale=100) as here:
        assert here.region(X_Client_Region=IRELAND) == IRELAND
        here.close[IRELAND]()
        status, headers, body = here.get(X_Client_Region=IRELAND)
        assert (status, headers["X-Served-By-Region"]) == (502, None)
        assert json.loads(body)["region"] == IRELAND
        here.eventually(lambda: here.get(X_Client_Region=IRELAND)[0] == 200)
        assert here.region(X_Client_Region=IRELAND) == VIRGINIA


def test_with_every_region_unhealthy_each_client_is_sent_to_its_own() -> None:
    """All unhealthy is as all healthy."""
    with world() as here:
        for region in here.regions.values():
            region.healthy = False
        here.eventually(lambda: set(here.route53.healthy().values()) == {False})
        assert here.region(X_Client_Region=IRELAND) == IRELAND
        assert here.region(X_Client_Region=VIRGINIA) == VIRGINIA


def test_an_answer_outlives_the_health_of_its_region() -> None:
    """Clients keep it for its TTL: here a minute, of which not a second passes. New clients elsewhere do not have it."""
    with world(time_scale=1, unknowns=Unknowns(), dns=in_two_regions(failure_threshold=1, interval=0)) as here:
        assert here.region(X_Client_Region=IRELAND) == IRELAND
        here.regions[IRELAND].healthy = False
        here.eventually(lambda: not here.route53.healthy()[f"check-{IRELAND}"])
        assert here.region(X_Client_Region=IRELAND) == IRELAND
        assert here.region(X_Client_Region="eu-west-2") == VIRGINIA


def test_the_ttl_passes_at_the_pace_of_the_time_scale() -> None:
    """A minute in hundredths of seconds."""
    dns = in_two_regions(failure_threshold=1)
    with world(time_scale=6000, unknowns=Unknowns(), dns=dns) as here:
        assert here.region(X_Client_Region=IRELAND) == IRELAND
        here.regions[IRELAND].healthy = False
        here.eventually(lambda: here.region(X_Client_Region=IRELAND) == VIRGINIA)


def test_a_silent_region_is_answered_for_with_504() -> None:
    """It accepts and says nothing: the client's own patience ends."""
    with endpoint(lambda connection, _: connection.recv(1)) as silent:
        dns = in_two_regions(disabled=True)
        route53 = Route53(dns, lambda _: silent, regions=(VIRGINIA,), patience=Patience(connect=0.2, answer=0.2))
        route53.start()
        try:
            status, _, body = World(route53, {}, {}).get()
            assert (status, json.loads(body)["region"]) == (504, VIRGINIA)
        finally:
            route53.stop()


def test_a_request_arrives_as_it_was_sent() -> None:
    """Method, path, query, headers and body."""
    with world() as here:
        here.get(
            "/orders/a%2Fb?q=1&q=2", method="POST", body=b'{"a": 1}', X_Signature="v1=abc", Connection="keep-alive"
        )
        (seen,) = here.regions[VIRGINIA].seen
        head, _, body = seen.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /orders/a%2Fb?q=1&q=2 HTTP/1.1\r\n")
        assert b"\r\nX-Signature: v1=abc" in head
        assert b"keep-alive" not in head
        assert head.lower().count(b"\r\nhost: ") == head.lower().count(b"\r\ncontent-length: ") == 1
        assert body == b'{"a": 1}'


def test_an_answer_arrives_as_it_was_given() -> None:
    """With every header, also those that come twice."""
    with world() as here:
        status, headers, body = here.get()
        assert (status, body) == (200, VIRGINIA.encode())
        assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert headers.get_all("Content-Length") == [str(len(VIRGINIA))]


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS", "PATCH", "PUT"])
def test_every_method_passes(method: str) -> None:
    """And a connection is good for more than one request."""
    with world() as here:
        connection = http.client.HTTPConnection(here.route53.url.removeprefix("http://"), timeout=10)
        for _ in range(2):
            connection.request(method, "/orders", headers={"Host": NAME})
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"" if method == "HEAD" else VIRGINIA.encode())
        connection.close()


def test_head_is_answered_without_a_body_also_by_the_front_door_itself() -> None:
    """Nothing follows its headers, or the next answer on the connection would begin with it."""
    with world() as here:
        port = int(here.route53.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"HEAD /_resilience/route53 HTTP/1.1\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as answered:
                head, _, body = answered.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == b""


def test_names_that_are_not_in_dns_are_refused_with_those_that_are() -> None:
    """One that names the front door itself gets the only name there is."""
    with world() as here:
        status, _, body = here.get(Host="other.example.com")
        assert (status, json.loads(body)["message"]) == (404, f"send one of these names as Host: {NAME}")
        assert here.region(Host="API.example.com:8053") == VIRGINIA
        assert here.region(Host=here.route53.url.removeprefix("http://")) == VIRGINIA


def test_a_place_that_is_no_region_is_refused() -> None:
    """With the header and what it said."""
    with world() as here:
        status, _, body = here.get(X_Client_Region="Dublin")
        assert (status, json.loads(body)["message"]) == (400, "X-Client-Region must be a region of AWS, got 'Dublin'")


def test_records_that_lead_nowhere_here_are_said() -> None:
    """An address of the real world, or no address at all."""
    for record, sentence in (
        (Record(name=NAME, type="A", values=("192.0.2.1",), ttl=60), "leads to 192.0.2.1, which is not"),
        (Record(name=NAME, type="A", alias=to(NAME)), f"no record of {NAME} gives an address"),
    ):
        with world(Dns(zones=(zone(record),))) as here:
            status, _, body = here.get()
            assert status == 502
            assert sentence in json.loads(body)["message"]


def test_a_check_may_name_a_record() -> None:
    """Its host is then looked up in DNS like that of a client."""
    base = in_two_regions(disabled=True)
    named = HealthCheck(check_id="named", type=CheckType.HTTP, host=NAME, path="/health")
    with world(Dns(zones=base.zones, health_checks=(named,), custom_domains=base.custom_domains)) as here:
        here.eventually(lambda: here.route53.status()["health_checks"][0]["requests"] > 0)
        assert here.route53.status()["health_checks"][0]["reason"] == "status 200"


def test_a_body_must_say_its_length_and_be_no_larger_than_api_gateway_takes() -> None:
    """The connection is closed, because its rest cannot be understood."""
    with world() as here:
        assert here.get(method="POST", body=b"", Content_Length="10485761")[0] == 413
        status, headers, _ = here.get(method="POST", body=b"0\r\n\r\n", Transfer_Encoding="chunked")
        assert (status, headers["Connection"]) == (411, "close")


def test_the_status_tells_where_each_name_leads_and_why() -> None:
    """As an object and over HTTP."""
    with world() as here:
        here.regions[IRELAND].healthy = False
        here.eventually(lambda: not here.route53.healthy()[f"check-{IRELAND}"])
        status = json.loads(here.get("/_resilience/route53", Host="127.0.0.1")[2])
        assert status["names"] == {NAME: {VIRGINIA: VIRGINIA, IRELAND: VIRGINIA}}
        checks = {each["check_id"]: each for each in status["health_checks"]}
        assert checks[f"check-{IRELAND}"]["reason"] == "status 503"
        assert checks[f"check-{IRELAND}"]["endpoint"] == f"{api(IRELAND)}/health"
        assert checks[f"check-{VIRGINIA}"]["healthy"]
        assert status["limitations"] == ["something is different"]
        assert status["url"] == here.route53.url


def test_a_taken_port_is_said() -> None:
    """In a sentence that names it; stopping what did not start is fine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        route53 = Route53(Dns(), lambda url: url, regions=(VIRGINIA,), port=port)
        with pytest.raises(LocalCloudError, match=f"127.0.0.1:{port}"):
            route53.start()
        route53.stop()


def test_everything_ends() -> None:
    """Nobody listens any more, no thread stays, and stopping again does nothing."""
    with world() as here:
        url = here.route53.url
        assert here.region() == VIRGINIA
    here.route53.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    assert not [each for each in threading.enumerate() if each.name.startswith(("health check", "front door"))]


def test_impossible_settings_are_refused() -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="time_scale must be above 0, got 0"):
        Route53(Dns(), lambda url: url, regions=(VIRGINIA,), time_scale=0)
    with pytest.raises(ValueError, match="regions must name at least one"):
        Route53(Dns(), lambda url: url, regions=())
