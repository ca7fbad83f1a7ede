"""Look at the circuit of a dependency, stop all calls to it by hand, and let them go on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from constructs_lib import _environment as environment_names
from constructs_lib.operations import dependencies
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place
from constructs_lib.runtime.breaker_store import Change, DynamoStatus
from constructs_lib.runtime.shared_breaker import SharedBreaker

# Environments change the circuit at most every few seconds.
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """The circuit of one dependency in one region.

    Attributes:
        dependency: As its construct is called.
        region: Where it is.
        table: Name of its state table.
        status: The shared item in that table.
    """

    dependency: str
    region: str
    table: str
    status: DynamoStatus

    def look(self) -> tuple[SharedBreaker, int]:
        """Return the state of the circuit, and how many tenants have parked records."""
        status = self.status.read()
        return SharedBreaker.of(status.breaker), status.parked

    def isolate(self, reason: str) -> bool:
        """Stop every call to the dependency, probes too, until `restore`.

        Returns:
            Whether that changed anything; False: it is isolated already.
        """
        return self._change("isolated", lambda seen: self.status.isolate(seen=seen, reason=reason))

    def restore(self) -> None:
        """Let one call try at once, whatever the dependency asked for; if it is answered, all go on."""
        self._change(None, lambda seen: self.status.restore(seen=seen))

    def _change(self, unless: str | None, change: Callable[[SharedBreaker], Change]) -> bool:
        for _ in range(_TRIES):
            seen, _ = self.look()
            if seen.state == unless:
                return False
            if change(seen).done:
                return True
        raise OperationError(f"The circuit of {self.dependency} in {self.region} keeps changing; try again.")


def find(place: Place, *, dependency: str | None, stack: str | None = None, table: str | None = None) -> list[Circuit]:
    """Return the circuits of a dependency, one per region.

    Args:
        place: Where to look.
        dependency: As its construct is called; None: every one there is.
        stack: CloudFormation stack it is in. Default: any.
        table: Name of its state table; then nothing is looked up. Default: found by the settings of its consumer.

    Raises:
        OperationError: If there is none, or more than one in a region.
    """
    if table is not None:
        if len(place.regions) > 1:
            raise OperationError(f"--table needs --region: there are {' and '.join(place.regions)}.")
        return [_circuit(place, dependency or table, place.regions[0], table)]
    tables: dict[tuple[str, str], set[str]] = {}
    for each in dependencies.find(place, stack=stack, dependency=dependency):
        name = each.settings.get(environment_names.STATE_TABLE)
        if not name:
            raise OperationError(
                f"{each.function} in {each.region} has no state table; deploy it with this version of the library first."
            )
        tables.setdefault((each.name, each.region), set()).add(name)
    for (called, region), names in tables.items():
        if len(names) > 1:
            raise OperationError(
                f"There is more than one {called} in {region}; say which with --stack, or with --table and one of "
                f"{', '.join(sorted(names))}."
            )
    return [_circuit(place, called, region, *names) for (called, region), names in sorted(tables.items())]


def _circuit(place: Place, dependency: str, region: str, table: str) -> Circuit:
    client: Any = place.client("dynamodb", region)
    return Circuit(dependency=dependency, region=region, table=table, status=DynamoStatus(client, table))
