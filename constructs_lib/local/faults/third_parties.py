"""Faults of third parties, carried out by whoever knows them: the app's own stand-ins, or the way out of functions."""

from collections.abc import Mapping, Sequence

from constructs_lib.local.faults.model import ThirdParty, ThirdPartyFaults


class FirstWho:
    """Has each fault carried out by the first that has no objection to it.

    Args:
        carriers: Who may, in the order in which they are asked.
    """

    def __init__(self, carriers: Sequence[ThirdPartyFaults]) -> None:
        self._carriers = carriers

    def objection(self, fault: ThirdParty) -> str | None:
        """Why nobody can carry *fault* out; None if somebody can."""
        objections = [carrier.objection(fault) for carrier in self._carriers]
        if not objections:
            return "nothing here stands in for third parties, or between them and the app"
        return None if None in objections else "; ".join(filter(None, objections))

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Make exactly *faults* happen."""
        left = dict(faults)
        for carrier in self._carriers:
            mine = {fault_id: fault for fault_id, fault in left.items() if carrier.objection(fault) is None}
            carrier.apply(mine)
            left = {fault_id: fault for fault_id, fault in left.items() if fault_id not in mine}
