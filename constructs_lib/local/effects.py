"""What faults mean for a running local cloud: who has to do what, and in which order."""

from collections.abc import Callable, Mapping
from typing import Any

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults import poison
from constructs_lib.local.faults.model import Fault, FunctionFault, PoisonRecord, ThirdParty, ThirdPartyFaults
from constructs_lib.local.faults.targets import Targets
from constructs_lib.local.regional import Regions
from constructs_lib.local.replication import faults as replication_faults
from constructs_lib.local.replication.runner import GlobalTables


class Effects:
    """Has faults happen.

    Args:
        regions: Carries out what concerns processes and calls.
        tables: Carries out what concerns replication; None if nothing replicates.
        third_parties: Carries out what concerns services outside.
        targets: Knows what can be named.
        client: Gives a client for a service in a region that faults of operations do not reach.
    """

    def __init__(
        self,
        *,
        regions: Regions,
        tables: GlobalTables | None,
        third_parties: ThirdPartyFaults,
        targets: Targets,
        client: Callable[[str, str], Any],
    ) -> None:
        self._regions = regions
        self._tables = tables
        self._third_parties = third_parties
        self._targets = targets
        self._client = client

    def refuse(self, fault: Fault) -> None:
        """Do nothing if what *fault* names is here.

        Raises:
            LocalCloudError: If it is not; the message names what is.
        """
        match fault:
            case FunctionFault():
                self._targets.functions(fault)
            case PoisonRecord():
                self._targets.receivers(fault)
            case ThirdParty() if objection := self._third_parties.objection(fault):
                raise LocalCloudError(f"{fault.where} cannot be broken: {objection}.")

    def change(self, before: Mapping[str, Fault], faults: Mapping[str, Fault]) -> None:
        """Make exactly *faults* happen, after *before*."""
        # What goes between regions stops before they do, and goes on after them.
        if self._tables:
            replication_faults.hold(self._tables, before, faults)
        self._regions.apply(faults)
        if self._tables:
            replication_faults.let_go(self._tables, before, faults)
        self._regions.break_functions(self._broken_functions(faults))
        self._third_parties.apply({name: each for name, each in faults.items() if isinstance(each, ThirdParty)})
        for name in faults.keys() - before.keys():
            self._deliver(faults[name])

    def _broken_functions(self, faults: Mapping[str, Fault]) -> dict[str, dict[str, dict[str, Any]]]:
        broken: dict[str, dict[str, dict[str, Any]]] = {}
        for fault in faults.values():
            if isinstance(fault, FunctionFault):
                for function in self._targets.functions(fault):
                    # Of two that break the same function, the first.
                    how = {"mode": fault.mode, "after": fault.after}
                    broken.setdefault(function.region, {}).setdefault(function.name, how)
        return broken

    def _deliver(self, fault: Fault) -> None:
        if isinstance(fault, PoisonRecord):
            for receiver in self._targets.receivers(fault):
                poison.put(receiver, self._client)
