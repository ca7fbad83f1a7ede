"""Faults of the local cloud as data: what can be broken, how it is written down, and what is broken now."""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.router.table import Mode, OperationFault

__all__ = ["Fault", "Faults", "OperationFault", "Partition", "RegionLost", "from_json", "to_json"]

ThirdPartyMode = Literal["down", "refuse", "slow", "hanging", "throttled", "garbled"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)


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


class ThirdPartyFaults(Protocol):
    """Carries out faults of third parties."""

    def objection(self, fault: ThirdParty) -> str | None:
        """Why *fault* cannot happen here, in a sentence; None if it can."""

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Make exactly *faults* happen, by id, and end all others; return once that is so."""


Fault = OperationFault | RegionLost | Partition
_KINDS: Final[dict[str, type[Fault]]] = {"operation": OperationFault, "region": RegionLost, "partition": Partition}


def to_json(fault: Fault) -> dict[str, Any]:
    """*fault* as JSON can hold it: its kind and its attributes."""
    kind = next(name for name, each in _KINDS.items() if isinstance(fault, each))
    values = {name: getattr(fault, name) for name in type(fault).__slots__}
    return {"kind": kind} | {name: sorted(each) if name == "regions" else each for name, each in values.items()}


def from_json(content: Any) -> Fault:
    """The fault that *content* describes, as `to_json` writes it; what has a default may be left out.

    Raises:
        LocalCloudError: If it describes none; the message says what is wrong with it.
    """
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise LocalCloudError(f"A fault cannot be of kind {kind!r}; allowed are {', '.join(_KINDS)}.")
    values = {name: value for name, value in content.items() if name != "kind"}
    if isinstance(values.get("regions"), list):
        values["regions"] = frozenset(map(str, values["regions"]))
    try:
        return _KINDS[kind](**values)
    except TypeError as error:
        raise LocalCloudError(
            f"A fault of kind {kind} takes {', '.join(_KINDS[kind].__slots__)}; given were {', '.join(values)}."
        ) from error


class Faults:
    """What is broken now.

    Args:
        regions: The regions there are.
        apply: Makes exactly the faults it is given happen, by id, and ends all others.
    """

    def __init__(self, regions: Sequence[str], apply: Callable[[Mapping[str, Fault]], None]) -> None:
        self._regions = regions
        self._apply = apply
        self._faults: dict[str, Fault] = {}
        self._numbers = itertools.count(1)
        # Faults come and go from the owner's thread and from those of the control API.
        self._lock = threading.Lock()

    def inject(self, fault: Fault) -> str:
        """Begin *fault*; gives the id by which it ends.

        Raises:
            LocalCloudError: If it is of something that is not here.
        """
        self._check(fault)
        with self._lock:
            fault_id = f"{to_json(fault)['kind']}-{next(self._numbers)}"
            self._change({**self._faults, fault_id: fault})
        return fault_id

    def clear(self, fault_id: str) -> None:
        """End a fault.

        Raises:
            LocalCloudError: If there is none of that id.
        """
        with self._lock:
            if fault_id not in self._faults:
                there = ", ".join(self._faults) or "(none)"
                raise LocalCloudError(f"There is no fault {fault_id}; there are {there}.")
            self._change({name: each for name, each in self._faults.items() if name != fault_id})

    def clear_each(self, fault: Fault) -> None:
        """End every fault that equals *fault*; do nothing if there is none."""
        with self._lock:
            self._change({name: each for name, each in self._faults.items() if each != fault})

    def clear_all(self) -> None:
        """End every fault."""
        with self._lock:
            self._change({})

    def now(self) -> dict[str, Fault]:
        """The faults of this moment, by id."""
        return dict(self._faults)

    def listed(self) -> list[dict[str, Any]]:
        """The faults of this moment as JSON can hold them, each with its id."""
        return [{"id": fault_id, **to_json(fault)} for fault_id, fault in self.now().items()]

    def _change(self, faults: dict[str, Fault]) -> None:
        self._apply(faults)
        self._faults = faults

    def _check(self, fault: Fault) -> None:
        regions = fault.regions if isinstance(fault, Partition) else {fault.region}
        if unknown := sorted(set(regions) - set(self._regions)):
            raise LocalCloudError(f"Nothing runs in {', '.join(unknown)}; there are {', '.join(self._regions)}.")
        if isinstance(fault, Partition) and len(fault.regions) != 2:
            raise LocalCloudError(f"A partition is between two regions, not {len(fault.regions)}.")
        if isinstance(fault, OperationFault):
            if fault.mode not in MODES:
                raise LocalCloudError(
                    f"An operation cannot be disturbed by {fault.mode!r}; allowed: {', '.join(MODES)}."
                )
            if not isinstance(fault.by, int | float) or not 0 <= fault.by <= 900:
                raise LocalCloudError(f"An answer can be held back for 0 to 900 seconds, not {fault.by!r}.")
