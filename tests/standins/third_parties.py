"""The faults of third parties that the local cloud knows, carried out by the stand-ins."""

from collections.abc import Mapping

from constructs_lib.local.faults.model import ThirdParty, ThirdPartyMode
from tests.standins.faults import Mode
from tests.standins.server import StandIns

# What a fault calls a mode is what the stand-ins call it, but for this one.
MODES: Mapping[ThirdPartyMode, Mode] = {
    "down": "down",
    "refuse": "refuse",
    "slow": "slow",
    "hanging": "hang",
    "throttled": "throttled",
    "garbled": "garbled",
}


class StandInFaults:
    """Has stand-ins fail.

    Args:
        standins: Already running, or about to.
    """

    def __init__(self, standins: StandIns) -> None:
        self._standins = standins
        self._now: dict[str, ThirdParty] = {}

    def objection(self, fault: ThirdParty) -> str | None:
        """Why *fault* cannot happen to them; None if it can."""
        known = self._standins.faults
        return None if known.knows(fault.where) else f"stand-ins are {', '.join(known.names)}"

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Make exactly *faults* happen, beside what was chosen on the stand-ins' own page."""
        wanted: dict[str, ThirdParty] = {}
        for fault in faults.values():
            wanted.setdefault(fault.where, fault)
        for provider in self._now.keys() - wanted.keys():
            self._standins.fault(provider, "up")
        for provider, fault in wanted.items():
            if self._now.get(provider) != fault:
                self._standins.fault(
                    provider,
                    MODES[fault.mode],
                    milliseconds=round(fault.by * 1_000),
                    retry_after=round(fault.retry_after),
                )
        self._now = wanted
