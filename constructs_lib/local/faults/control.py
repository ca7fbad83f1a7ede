"""What a test or a drill breaks a local cloud with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.active import Faults
from constructs_lib.local.faults.model import Fault, Partition, RegionLost


class FaultControl(ABC):
    """The faults of a running local cloud.

    Each begins and ends at once, also for what is under way (but for a function's: with its next invocation), and can
    begin and end in any order.
    """

    def __init__(self) -> None:
        self._faults = Faults((), self._apply, self._refuse)

    def objection(self, fault: Fault) -> str | None:
        """Why *fault* cannot happen here, in a sentence; None if it can."""
        try:
            self._faults.check(fault)
        except LocalCloudError as error:
            return str(error)
        return None

    def inject(self, fault: Fault) -> str:
        """Begin *fault*; gives the id by which it ends.

        Raises:
            LocalCloudError: If it is of something that is not here.
        """
        return self._faults.inject(fault)

    def clear(self, fault_id: str) -> None:
        """End the fault of that id.

        Raises:
            LocalCloudError: If there is none.
        """
        self._faults.clear(fault_id)

    def end(self, fault: Fault) -> None:
        """End every fault that equals *fault*; do nothing if there is none."""
        self._faults.clear_each(fault)

    def faults(self) -> dict[str, Fault]:
        """The faults of this moment, by id."""
        return self._faults.now()

    def lose_region(self, region: str) -> None:
        """Stop a region: APIs, functions, mappings and replication, in the middle of whatever they do.

        Its data stays. Nothing gets an answer of it: connections are reset at once.

        Raises:
            LocalCloudError: If nothing runs there.
        """
        self.inject(RegionLost(region=region))

    def restore_region(self, region: str) -> None:
        """Let a lost region go on where it stopped; do nothing if it is not lost."""
        self.end(RegionLost(region=region))

    def partition(self, a: str, b: str) -> None:
        """Let regions *a* and *b* not reach each other; from outside both are reached.

        Raises:
            LocalCloudError: If nothing runs in one of them.
        """
        self.inject(Partition(regions=frozenset((a, b))))

    def heal(self, a: str, b: str) -> None:
        """Let them reach each other again; do nothing if they do."""
        self.end(Partition(regions=frozenset((a, b))))

    def _can_break(self, regions: Sequence[str]) -> None:
        """From now on *regions* are there to be broken."""
        self._faults = Faults(regions, self._apply, self._refuse)

    @abstractmethod
    def _apply(self, faults: Mapping[str, Fault]) -> None:
        """Make exactly *faults* happen."""

    @abstractmethod
    def _refuse(self, fault: Fault) -> None:
        """Raise `LocalCloudError` if *fault* is of something that is not here."""
