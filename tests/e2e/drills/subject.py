"""The alerting system as something to drill: events to its API, and messages at Slack and Teams."""

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

import urllib3

from constructs_lib.local.drill.subject import Arrival, Place, Sample, Signal
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from tests.e2e.drills import whereabouts
from tests.e2e.drills.signals import Watchman
from tests.e2e.run.system import System
from tests.standins.server import PortTakenError

# Beside those of `./dev run`, so that both can run at once.
PORT = 4567
STANDINS_PORT = 4582
_WARM_UP_SECONDS = 60.0
_TITLE = "Drill "
# The provider shows it among words of its own.
_SAMPLE = re.compile(rf"{_TITLE}(\S+)")
# What stands before a region says so when there is nobody behind it.
_NOBODY_THERE = (502, 504)


@contextmanager
def alerting(progress: Callable[[str], None]) -> Iterator["AlertingSubject"]:
    """The running alerting system; nobody escalates, so that messages are all there is."""
    with ExitStack() as running:
        try:
            system = running.enter_context(
                System(port=PORT, standins_port=STANDINS_PORT, escalates=False, progress=progress)
            )
        except PortTakenError as error:
            raise LocalCloudError(str(error)) from error
        subject = AlertingSubject(system)
        progress("Starting every function once")
        warm_up(subject)
        yield subject


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
    """The running alerting system; its dependencies are the providers, each with one tenant.

    Args:
        system: Already running.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._tenants = {tenant.home.provider: tenant for tenant in system.tenants}
        self._watchman = Watchman(system)
        self._http = urllib3.PoolManager(maxsize=16, retries=False, timeout=30)
        # Looked up before the load begins: an address costs several calls.
        self._urls = {
            (provider, region): system.url(region, f"/v1/endpoints/{tenant.endpoint}/events")
            for provider, tenant in self._tenants.items()
            for region in system.regions
        }
        self._event_ids: dict[str, str] = {}

    @property
    def dependencies(self) -> Sequence[str]:
        """The providers."""
        return tuple(self._tenants)

    @property
    def regions(self) -> Sequence[str]:
        """Where events are accepted."""
        return self._system.regions

    def objection(self, fault: Fault) -> str | None:
        """Why *fault* cannot happen here; None if it can."""
        return self._system.cloud.objection(fault)

    def send(self, sample: Sample) -> bool:
        """Post one event; where nobody answers, to the other region, as DNS would have senders do."""
        regions = [sample.region, *(each for each in self.regions if each != sample.region)]
        for region in regions:
            try:
                answer = self._http.request(
                    "POST",
                    self._urls[sample.dependency, region],
                    body=f"{_TITLE}{sample.id}".encode(),
                    headers={"content-type": "text/plain"},
                )
            except urllib3.exceptions.HTTPError as error:
                failure = OSError(f"{region}: {error}")
                continue
            if answer.status in _NOBODY_THERE:
                failure = OSError(f"{region} answered {answer.status}")
                continue
            if answer.status == 202:
                self._event_ids[sample.id] = json.loads(answer.data)["event_id"]
            return answer.status == 202
        raise failure

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
