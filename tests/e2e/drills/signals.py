"""What an operator of the alerting system would notice: red health, and metrics that have an alarm or tell of one."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.local.drill.subject import Signal
from constructs_lib.local.faults.targets import FUNCTION
from constructs_lib.local.logs import log_groups
from constructs_lib.operations import breaker
from constructs_lib.operations.place import Place
from tests.e2e.drills.whereabouts import resources
from tests.e2e.run.system import System

METRICS = ("BreakerOpened", "HandlerFailing", "RecordsHeld", "RecordsParked", "RecordsQuarantined")
# Route 53 waits as long for an answer, and believes a failure when it comes in a row.
_HEALTH_SECONDS = 4.0
_FAILURES = 3
CONSUMERS = ("NotifySlack", "NotifyTeams")


class Watchman:
    """Looks at a running system again and again, and tells what is new."""

    def __init__(self, system: System) -> None:
        self._client = system.cloud.client
        # Looked up while every region answers.
        self._health_urls = {region: system.url(region, "/health") for region in system.regions}
        self._http = urllib3.PoolManager(retries=False, timeout=_HEALTH_SECONDS)
        self._failures: Counter[str] = Counter()
        # Found once, for functions do not come and go; only what they say from now on counts.
        self._since = dict.fromkeys(
            (group for name in CONSUMERS for group in log_groups(name, system.regions, system.cloud.client)),
            int(time.time() * 1_000),
        )
        self._functions = [
            (region, key, name)
            for region in system.regions
            for key, name in resources(system, region, FUNCTION)
            if key.startswith(CONSUMERS)
        ]
        self._circuits = {
            region: breaker.find(Place(regions=(region,), client=system.cloud.client), dependency=None)
            for region in system.regions
        }
        self._begun = datetime.now(UTC)
        self._errors: Counter[str] = Counter()

    def look(self) -> list[Signal]:
        """What has been signalled since the last look."""
        return [*self._health(), *self._open_circuits(), *self._errors_of_functions(), *self._metrics()]

    def _health(self) -> Iterator[Signal]:
        for region, url in self._health_urls.items():
            try:
                status = str(self._http.request("GET", url).status)
            except urllib3.exceptions.HTTPError:
                status = "no answer"
            self._failures[region] = 0 if status == "200" else self._failures[region] + 1
            if self._failures[region] >= _FAILURES:
                yield Signal(at=time.time(), what=f"health of {region} is red ({status})")

    def _open_circuits(self) -> Iterator[Signal]:
        """What an alarm on `BreakerOpen` tells; here what a function logs is seen only when its invocation ends."""
        for region, circuits in self._circuits.items():
            for circuit in [] if self._failures[region] else circuits:
                with contextlib.suppress(BotoCoreError, ClientError):
                    if circuit.look()[0].state == "open":
                        yield Signal(at=time.time(), what=f"the circuit of {circuit.dependency} in {region} is open")

    def _errors_of_functions(self) -> Iterator[Signal]:
        """Each consumer's own alarm looks at this metric."""
        for region, key, name in self._functions:
            if self._failures[region]:
                continue
            try:
                points = self._client("cloudwatch", region).get_metric_statistics(
                    Namespace="AWS/Lambda",
                    MetricName="Errors",
                    Dimensions=[{"Name": "FunctionName", "Value": name}],
                    StartTime=self._begun,
                    EndTime=datetime.now(UTC) + timedelta(minutes=1),
                    Period=60,
                    Statistics=["Sum"],
                )["Datapoints"]
            except (BotoCoreError, ClientError):
                continue
            errors = sum(point["Sum"] for point in points)
            if errors > self._errors[name]:
                self._errors[name] = errors
                yield Signal(at=time.time(), what=f"Errors of {key} in {region}")

    def _metrics(self) -> Iterator[Signal]:
        for region, group in self._since:
            if self._failures[region]:
                # Asking a region that does not answer costs so many retries that the next look would be late.
                continue
            logs = self._client("logs", region)
            now = int(time.time() * 1_000)
            try:
                # CloudWatch would make metrics of these lines; the emulator keeps them as they are.
                events = logs.filter_log_events(
                    logGroupName=group, startTime=self._since[region, group], endTime=now - 1, filterPattern='"_aws"'
                )["events"]
            except (BotoCoreError, ClientError):
                # A function that never ran has no log group yet, and a lost region tells nothing; what it holds is
                # read when it is back.
                continue
            self._since[region, group] = now
            for event in events:
                yield from _signals(event, region)


def _signals(event: Any, region: str) -> Iterator[Signal]:
    try:
        line = json.loads(event["message"])
    except ValueError:
        return
    if not isinstance(line, dict):
        return
    for name in METRICS:
        if name in line:
            yield Signal(at=event["timestamp"] / 1_000, what=f"{name} of {line['dependency']} in {region}")
