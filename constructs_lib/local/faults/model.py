"""Faults of the local cloud as data: what can be broken. The same whether by hand, by a test or by a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from constructs_lib.local.router.table import OperationFault

__all__ = [
    "KINDS",
    "Fault",
    "FunctionFault",
    "FunctionMode",
    "OperationFault",
    "Partition",
    "PoisonRecord",
    "RegionLost",
    "ThirdParty",
    "ThirdPartyFaults",
    "ThirdPartyMode",
]

FunctionMode = Literal["raises", "unloadable", "crash"]
ThirdPartyMode = Literal["down", "refuse", "slow", "hanging", "throttled", "garbled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLost:
    """A region stops in the middle of whatever it does; its data stays, and it goes on when the fault ends.

    Attributes:
        region: Which.
    """

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Two regions do not reach each other: no replication, no calls from one's functions to the other.

    Attributes:
        regions: The two.
    """

    regions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFault:
    """A function of the app is broken, from its next invocation on, whoever invokes it.

    Attributes:
        function: Its name or its logical id, or a part of one that tells it from others.
        mode: `raises`: it fails whatever it is given; `unloadable`: its code cannot be imported; `crash`: its process
            is killed in the middle of an invocation, as if it had run out of memory.
        region: Where. Default: everywhere.
        after: Seconds from the event to the crash; a function that is done earlier dies before it has answered.
            Default: 0.1.
    """

    function: str
    mode: FunctionMode
    region: str | None = None
    after: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdParty:
    """A service outside AWS fails everybody here who calls it.

    Attributes:
        where: Its name: that of a stand-in, or a host name; `*.example.com` is every host below example.com.
        mode: `down`: 503; `refuse`: the connection breaks before the answer; `slow`: answers late; `hanging`: never
            answers; `throttled`: 429 with Retry-After; `garbled`: the answer is nonsense.
        by: Seconds by which `slow` is late. Default: 1.
        retry_after: Seconds that `throttled` asks for. Default: 2.
    """

    where: str
    mode: ThirdPartyMode
    by: float = 1.0
    retry_after: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRecord:
    """One record that nobody can read arrives, when the fault begins; it stays when the fault ends.

    Attributes:
        where: Name or logical id of the stream or queue on which it arrives, or a part of one that tells it from others.
        region: Where. Default: everywhere.
    """

    where: str
    region: str | None = None


class ThirdPartyFaults(Protocol):
    """Carries out faults of third parties."""

    def objection(self, fault: ThirdParty) -> str | None:
        """Why *fault* cannot happen here, in a sentence; None if it can."""

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Make exactly *faults* happen, by id, and end all others; return once that is so."""


Fault = RegionLost | Partition | OperationFault | FunctionFault | ThirdParty | PoisonRecord

KINDS: Final[Mapping[str, type[Fault]]] = {
    "region": RegionLost,
    "partition": Partition,
    "operation": OperationFault,
    "function": FunctionFault,
    "third-party": ThirdParty,
    "record": PoisonRecord,
}
"""What a fault is called where it is written down, and its class."""
