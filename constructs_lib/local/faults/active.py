"""What is broken now."""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault, Partition, ThirdParty
from constructs_lib.local.faults.notation import check, kind_of, to_json


class Faults:
    """What is broken now.

    Args:
        regions: The regions there are.
        apply: Makes exactly the faults it is given happen, by id, and ends all others.
        refuse: Raises `LocalCloudError` for a fault of something that is not here. Default: regions only are looked at.
    """

    def __init__(
        self,
        regions: Sequence[str],
        apply: Callable[[Mapping[str, Fault]], None],
        refuse: Callable[[Fault], None] = lambda _fault: None,
    ) -> None:
        self._regions = regions
        self._apply = apply
        self._refuse = refuse
        self._faults: dict[str, Fault] = {}
        self._numbers = itertools.count(1)
        # Faults come and go from the owner's thread and from those of the control API.
        self._lock = threading.Lock()

    def check(self, fault: Fault) -> None:
        """Do nothing if *fault* can happen here.

        Raises:
            LocalCloudError: If it cannot, or is of something that is not here.
        """
        check(fault)
        if unknown := sorted(_regions(fault) - set(self._regions)):
            raise LocalCloudError(f"Nothing runs in {', '.join(unknown)}; there are {', '.join(self._regions)}.")
        self._refuse(fault)

    def inject(self, fault: Fault) -> str:
        """Begin *fault*; gives the id by which it ends.

        Raises:
            LocalCloudError: As `check` does.
        """
        self.check(fault)
        with self._lock:
            fault_id = f"{kind_of(fault)}-{next(self._numbers)}"
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


def _regions(fault: Fault) -> set[str]:
    """The regions that *fault* names; none if it is everywhere, or nowhere on AWS."""
    match fault:
        case Partition():
            return set(fault.regions)
        case ThirdParty():
            return set()
        case _:
            return {fault.region} if fault.region else set()
