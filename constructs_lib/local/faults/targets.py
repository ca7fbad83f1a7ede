"""What of an app can be broken by name: its functions, and the streams and queues that records arrive on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import FunctionFault, PoisonRecord

FUNCTION: Final = "AWS::Lambda::Function"
STREAM: Final = "AWS::Kinesis::Stream"
QUEUE: Final = "AWS::SQS::Queue"


class Stack(Protocol):
    """What is deployed in one region."""

    @property
    def region(self) -> str:
        """Where."""

    @property
    def resources(self) -> Mapping[str, tuple[str, str]]:
        """Logical id to (resource type, physical id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A resource of the app.

    Attributes:
        region: Where.
        resource_type: As CloudFormation calls it.
        logical_id: Its name in the template.
        physical_id: As CloudFormation refers to it: a name, or the URL of a queue.
    """

    region: str
    resource_type: str
    logical_id: str
    physical_id: str

    @property
    def name(self) -> str:
        """What it is called in its region."""
        return self.physical_id.rpartition("/")[2]


class Targets:
    """Finds resources by their names or parts of them.

    Args:
        stacks: The deployed stacks.
    """

    def __init__(self, stacks: Iterable[Stack]) -> None:
        self._all = tuple(
            Target(region=stack.region, resource_type=kind, logical_id=logical_id, physical_id=physical_id)
            for stack in stacks
            for logical_id, (kind, physical_id) in stack.resources.items()
        )

    def functions(self, fault: FunctionFault) -> tuple[Target, ...]:
        """The functions that *fault* breaks, at most one a region.

        Raises:
            LocalCloudError: If there is none, or the name fits several of one region.
        """
        return tuple(self._find("function", (FUNCTION,), fault.function, fault.region))

    def receivers(self, fault: PoisonRecord) -> tuple[Target, ...]:
        """The streams and queues on which the record of *fault* arrives, at most one a region.

        Raises:
            LocalCloudError: As `functions` does.
        """
        return tuple(self._find("stream or queue", (STREAM, QUEUE), fault.where, fault.region))

    def _find(self, what: str, types: Sequence[str], called: str, region: str | None) -> Iterator[Target]:
        there = [each for each in self._all if each.resource_type in types and region in (None, each.region)]
        found = [each for each in there if called in (each.name, each.logical_id)]
        found = found or [each for each in there if _is_part(called, each.name) or _is_part(called, each.logical_id)]
        if not found:
            names = ", ".join(sorted({each.name for each in there})) or "(none)"
            raise LocalCloudError(
                f"There is no {what} called {called!r}{f' in {region}' if region else ''}; there are {names}."
            )
        for one in sorted({each.region for each in found}):
            first, *others = (each for each in found if each.region == one)
            if others:
                names = ", ".join(sorted(each.name for each in (first, *others)))
                raise LocalCloudError(
                    f"More than one {what} is called like {called!r} in {one}: {names}. Say more of it."
                )
            yield first


def _is_part(text: str, name: str) -> bool:
    return text.lower() in name.lower()
