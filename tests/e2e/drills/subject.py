"""The alerting system as something to drill: events to its API, and messages at Slack and Teams."""

import json
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime

import urllib3

from constructs_lib.local.drill.subject import Arrival, Place, Sample, Signal
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from tests.e2e.drills import whereabouts
from tests.e2e.drills.signals import Watchman
from tests.e2e.run.system import DOMAIN, DemoTenant, System
from tests.standins.server import PortTakenError

# Beside those of `./dev run`, so that both can run at once.
PORT = 4567
STANDINS_PORT = 4582
_WARM_UP_SECONDS = 60.0
_TITLE = "Drill "
# The provider shows it among words of its own.
_SAMPLE = re.compile(rf"{_TITLE}(\S+)")
# What stands before a region says so when there is nobody behind it.
_NOBODY_THERE = (502, 503, 504)
_REQUESTS_AT_ONCE = 8
# As long as health checks take to see that a region is gone, and caches to forget its address, and then some.
_SENDER_PATIENCE_SECONDS = 150.0
# Between a sender's tries; drawn at random, or all would come at once when somebody answers again.
_SENDER_PAUSE_SECONDS = (1.0, 15.0)


@contextmanager
def alerting(progress: Callable[[str], None], *, neighbour: bool = False) -> Iterator["AlertingSubject"]:
    """The running alerting system; nobody escalates, so that messages are all there is."""
    with ExitStack() as running:
        try:
            system = running.enter_context(
                System(port=PORT, standins_port=STANDINS_PORT, escalates=False, progress=progress, neighbour=neighbour)
            )
        except PortTakenError as error:
            raise LocalCloudError(str(error)) from error
        subject = AlertingSubject(system)
        progress("Starting every function once")
        warm_up(subject)
        yield subject


def with_a_neighbour(progress: Callable[[str], None]) -> AbstractContextManager["AlertingSubject"]:
    """The same, with a second workspace at Slack: `slack/initech`."""
    return alerting(progress, neighbour=True)


def warm_up(subject: "AlertingSubject") -> None:
    """Have every function started before anything is measured.

    Raises:
        LocalCloudError: The system does not deliver although nothing is wrong yet.
    """
    samples = [
        Sample(id=f"warm-up-{region}-{dependency}", dependency=dependency, region=region)
        for region in subject.regions
        for dependency in subject.dependencies
    ]
    for sample in samples:
        subject.send(sample)
    deadline = time.monotonic() + _WARM_UP_SECONDS
    while {sample.id for sample in samples} - {arrival.sample_id for arrival in subject.arrivals()}:
        if time.monotonic() > deadline:
            raise LocalCloudError(f"The alerting system delivered nothing within {_WARM_UP_SECONDS:.0f} s.")
        time.sleep(0.1)


class AlertingSubject:
    """The running alerting system; its dependencies are the providers, each with one tenant, and further workspaces.

    Args:
        system: Already running.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._tenants: dict[str, DemoTenant] = {}
        for tenant in system.tenants:
            provider = tenant.home.provider
            self._tenants[f"{provider}/{tenant.tenant}" if provider in self._tenants else provider] = tenant
        self._watchman = Watchman(system)
        self._http = urllib3.PoolManager(maxsize=256, retries=False, timeout=30)
        self._urls = {
            provider: system.address_by_name(f"/v1/endpoints/{tenant.endpoint}/events")
            for provider, tenant in self._tenants.items()
        }
        # Every request at the same time is a process here; AWS has more room.
        self._at_once = threading.BoundedSemaphore(_REQUESTS_AT_ONCE)
        self._event_ids: dict[str, str] = {}

    @property
    def dependencies(self) -> Sequence[str]:
        """The providers; a second tenant at one of them is one more."""
        return tuple(self._tenants)

    @property
    def regions(self) -> Sequence[str]:
        """Where events are accepted."""
        return self._system.regions

    def objection(self, fault: Fault) -> str | None:
        """Why *fault* cannot happen here; None if it can."""
        return self._system.cloud.objection(fault)

    def send(self, sample: Sample) -> bool:
        """Post one event by name, so that DNS chooses the region, and again for a while when nobody is there."""
        deadline = time.monotonic() + _SENDER_PATIENCE_SECONDS
        while True:
            try:
                answer = self._post(sample)
            except urllib3.exceptions.HTTPError as error:
                failure = f"no answer ({error})"
            else:
                if answer.status == 202:
                    self._event_ids[sample.id] = json.loads(answer.data)["event_id"]
                if answer.status not in _NOBODY_THERE:
                    return answer.status == 202
                failure = f"answered {answer.status}"
            if time.monotonic() > deadline:
                raise OSError(f"{failure}, and so for {_SENDER_PATIENCE_SECONDS:.0f} s")
            time.sleep(random.uniform(*_SENDER_PAUSE_SECONDS))

    def _post(self, sample: Sample) -> urllib3.BaseHTTPResponse:
        with self._at_once:
            return self._request(sample)

    def _request(self, sample: Sample) -> urllib3.BaseHTTPResponse:
        return self._http.request(
            "POST",
            self._urls[sample.dependency],
            body=f"{_TITLE}{sample.id}".encode(),
            headers={
                "Content-Type": "text/plain",
                "Host": DOMAIN["name"],
                "X-Client-Region": sample.region,
                # Of an event whose answer was lost the second copy is known as one.
                "X-Event-Id": sample.id,
            },
        )

    def arrivals(self) -> Sequence[Arrival]:
        """The messages of samples at the providers."""
        return [
            Arrival(sample_id=found[1], at=datetime.fromisoformat(message.arrived_at).timestamp())
            for message in self._system.standins.record.messages()
            if (found := _SAMPLE.search(message.shows.title))
        ]

    def recoverable(self, sample_ids: Collection[str]) -> Mapping[str, Place]:
        """Where samples are that have not arrived."""
        wanted = {self._event_ids[sample_id]: sample_id for sample_id in sample_ids}
        return {wanted[event_id]: place for event_id, place in whereabouts.find(self._system, wanted).items()}

    def start(self, fault: Fault) -> None:
        """Have *fault* happen."""
        self._system.cloud.inject(fault)

    def stop(self, fault: Fault) -> None:
        """Undo it; a record that was put stays put."""
        self._system.cloud.end(fault)

    def signals(self) -> Sequence[Signal]:
        """What an operator would have noticed since the last call."""
        return self._watchman.look()
