"""Health checks are carried out at their interval, each by itself."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from constructs_lib.local.dns.model import CheckType, HealthCheck
from constructs_lib.local.dns.probe import Limits
from constructs_lib.local.dns.prober import CheckStatus, Locate, Prober
from constructs_lib.local.dns.unknowns import Unknowns
from constructs_lib.local.errors import LocalCloudError
from tests.unit.local.dns_building import answer, check, endpoint

LIMITS = Limits(connect=0.3, answer=0.3, body=0.3, tcp=0.3)


@contextmanager
def running(checks: Sequence[HealthCheck], locate: Locate, *, time_scale: float = 1000.0) -> Iterator[Prober]:
    prober = Prober(checks, locate, time_scale=time_scale, limits=LIMITS, unknowns=Unknowns())
    prober.start()
    try:
        yield prober
    finally:
        prober.stop()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until *holds*, a few seconds at most."""
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold"
        threading.Event().wait(0.005)


def only(prober: Prober) -> CheckStatus:
    (status,) = prober.status()
    return status


class Switch:
    """An endpoint that can be broken."""

    def __init__(self) -> None:
        self.status = 200
        self.moments: list[float] = []

    def serve(self, connection: socket.socket, _: bytes) -> None:
        self.moments.append(time.monotonic())
        connection.sendall(answer(status=self.status))


def test_an_endpoint_that_fails_and_recovers_is_followed() -> None:
    """After as many results in a row as the threshold says."""
    switch = Switch()
    with endpoint(switch.serve) as url, running([check()], lambda _: url) as prober:
        eventually(lambda: only(prober).requests >= 3)
        assert only(prober).healthy
        assert only(prober).changed_at is None
        switch.status = 503
        eventually(lambda: not only(prober).healthy)
        assert only(prober).reason == "status 503"
        assert only(prober).changed_at == pytest.approx(time.time(), abs=5)
        switch.status = 200
        eventually(lambda: only(prober).healthy)


def test_an_endpoint_is_asked_at_its_interval() -> None:
    """Thirty seconds apart, at a hundred times the pace of AWS, is 0.3 seconds."""
    switch = Switch()
    with endpoint(switch.serve) as url, running([check()], lambda _: url, time_scale=100):
        eventually(lambda: len(switch.moments) >= 3)
    gaps = [later - sooner for sooner, later in zip(switch.moments, switch.moments[1:], strict=False)]
    assert min(gaps) >= 0.3
    assert max(gaps) < 1


def test_the_interval_counts_from_the_answer() -> None:
    """An endpoint that takes its time is asked so much later."""
    asked: list[float] = []

    def slow(connection: socket.socket, _: bytes) -> None:
        asked.append(time.monotonic())
        threading.Event().wait(0.2)
        connection.sendall(answer())

    with endpoint(slow) as url, running([check(interval=10)], lambda _: url, time_scale=100):
        eventually(lambda: len(asked) >= 2)
    assert asked[1] - asked[0] >= 0.3


def test_a_hanging_endpoint_does_not_hide_the_others() -> None:
    """Each check has its own pace."""
    switch = Switch()
    with endpoint(lambda connection, _: connection.recv(1)) as hanging, endpoint(switch.serve) as good:
        urls = {"hanging": hanging, "good": good}
        checks = [check("hanging"), check("good")]
        with running(checks, lambda asked: urls[asked.check_id]) as prober:
            eventually(lambda: prober.status()[1].requests >= 10)
            assert prober.status()[0].requests <= 5
            eventually(lambda: prober.healthy() == {"hanging": False, "good": True})


def test_a_name_that_is_not_resolved_fails_the_check() -> None:
    """And says so, whether it is unknown or its region does not answer."""

    def unknown(asked: HealthCheck) -> str:
        raise LocalCloudError(f"there is no {asked.host}") if asked.check_id == "unknown" else OSError("lost")

    with running([check("unknown"), check("lost")], unknown) as prober:
        eventually(lambda: prober.healthy() == {"unknown": False, "lost": False})
        assert prober.status()[0].reason == "the name was not resolved: there is no endpoint.example.com"


def test_disabled_checks_and_those_without_endpoint_ask_nobody() -> None:
    """They have a status all the same."""

    asked: list[str] = []

    def nobody(about: HealthCheck) -> str:
        asked.append(about.check_id)
        raise LocalCloudError("nobody is here")

    checks = [
        check("disabled", disabled=True),
        check("calculated", type=CheckType.CALCULATED, children=("disabled",), health_threshold=1),
        check("alarm", type=CheckType.CLOUDWATCH_METRIC, insufficient_data="Unhealthy"),
    ]
    with running(checks, nobody) as prober:
        assert prober.healthy() == {"disabled": True, "calculated": True, "alarm": False}
        assert [each.requests for each in prober.status()] == [0, 0, 0]
    assert asked == []
    assert not [each for each in threading.enumerate() if each.name.startswith("health check")]


def test_a_stopped_prober_asks_nobody_any_more() -> None:
    """Its threads have ended, although the next request was long away."""
    switch = Switch()
    with endpoint(switch.serve) as url:
        with running([check()], lambda _: url, time_scale=1) as prober:
            eventually(lambda: only(prober).requests == 1)
        assert not [each for each in threading.enumerate() if each.name.startswith("health check")]
        assert len(switch.moments) == 1
