"""How each kind of fault happens to the alerting system."""

import json
from collections.abc import Iterator
from typing import Any

from constructs_lib.local.faults.plan_kinds import (
    Fault,
    FunctionFault,
    Partition,
    PoisonRecord,
    RegionLoss,
    ThirdParty,
)
from tests.e2e.drills.ports import RegionPorts
from tests.e2e.run.system import System
from tests.standins.faults import Mode

# What a plan calls a mode is what the stand-ins call it, but for this one.
STAND_IN_MODES: dict[str, Mode] = {
    "down": "down",
    "refuse": "refuse",
    "slow": "slow",
    "hanging": "hang",
    "throttled": "throttled",
    "garbled": "garbled",
}
# Without the name of its secret a notifier raises on every record, as a bug in its code would have it do.
NEEDED = {"NotifySlack": "SLACK_TOKENS_SECRET", "NotifyTeams": "TEAMS_CREDENTIALS_SECRET"}


def objection(fault: Fault, cloud: object) -> str | None:
    """Why *fault* cannot happen to the alerting system on *cloud*; None if it can."""
    match fault:
        case ThirdParty() if fault.where not in ("slack", "teams"):
            return f"there is no {fault.where!r}; third parties are slack and teams"
        case FunctionFault() if fault.mode != "raises" or fault.where not in NEEDED:
            return f"functions that can be made to raise are {', '.join(NEEDED)}; other modes are not offered"
        case PoisonRecord() if fault.where not in ("slack", "teams"):
            return f"there is no stream for {fault.where!r}; there are slack and teams"
        case RegionLoss() | Partition() if not isinstance(cloud, RegionPorts):
            return "this local cloud runs all regions in one process, which can be neither lost nor parted"
        case ThirdParty() | FunctionFault() | PoisonRecord() | RegionLoss() | Partition():
            return None
    return "the alerting system has no port for it"


class SystemFaults:
    """Starts and stops faults of a running system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._kept: dict[tuple[str, str], dict[str, str]] = {}

    def start(self, fault: Fault) -> None:
        """Have *fault* happen."""
        match fault:
            case ThirdParty():
                self._system.standins.fault(
                    fault.where,
                    STAND_IN_MODES[fault.mode],
                    milliseconds=round(fault.by * 1_000),
                    retry_after=round(fault.retry_after),
                )
            case FunctionFault():
                for region, name in self._functions(fault):
                    self._forget(region, name, NEEDED[fault.where])
            case PoisonRecord():
                for region in self._regions(fault.region):
                    stream = self._system.cloud.client("kinesis", region)
                    data = json.dumps({"poison": "not an envelope"}).encode()
                    stream.put_record(
                        StreamName=physical(self._system, region, "AWS::Kinesis::Stream", fault.where),
                        PartitionKey="poison",
                        Data=data,
                    )
            case RegionLoss() if isinstance(self._system.cloud, RegionPorts):
                self._system.cloud.lose_region(fault.where)
            case Partition() if isinstance(self._system.cloud, RegionPorts):
                self._system.cloud.partition(*fault.where)

    def stop(self, fault: Fault) -> None:
        """Undo it; a record that was put stays put."""
        match fault:
            case ThirdParty():
                self._system.standins.fault(fault.where, "up")
            case FunctionFault():
                for region, name in self._functions(fault):
                    if (variables := self._kept.pop((region, name), None)) is not None:
                        self._configure(region, name, variables)
            case RegionLoss() if isinstance(self._system.cloud, RegionPorts):
                self._system.cloud.restore_region(fault.where)
            case Partition() if isinstance(self._system.cloud, RegionPorts):
                self._system.cloud.heal(*fault.where)

    def _regions(self, region: str | None) -> tuple[str, ...]:
        return self._system.regions if region is None else (region,)

    def _functions(self, fault: FunctionFault) -> Iterator[tuple[str, str]]:
        for region in self._regions(fault.region):
            yield region, physical(self._system, region, "AWS::Lambda::Function", fault.where)

    def _forget(self, region: str, name: str, variable: str) -> None:
        client = self._system.cloud.client("lambda", region)
        variables = dict(client.get_function_configuration(FunctionName=name)["Environment"]["Variables"])
        self._kept.setdefault((region, name), variables)
        self._configure(region, name, {key: value for key, value in variables.items() if key != variable})

    def _configure(self, region: str, name: str, variables: dict[str, str]) -> None:
        client: Any = self._system.cloud.client("lambda", region)
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def physical(system: System, region: str, kind: str, called: str) -> str:
    """The name of the region's resource of *kind* whose logical id begins as *called* does."""
    return next(name for key, name in resources(system, region, kind) if key.lower().startswith(called.lower()))


def resources(system: System, region: str, kind: str) -> Iterator[tuple[str, str]]:
    """Logical id and name of the region's resources of *kind*."""
    for key, (found, name) in system.cloud.stack(f"Alerting-{region}").resources.items():
        if found == kind:
            yield key, name
