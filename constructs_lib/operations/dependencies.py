"""Find what belongs to a dependency, by the settings its consumer runs with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from constructs_lib import _environment as environment_names
from constructs_lib.operations import functions
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One external dependency in one region.

    Attributes:
        name: As its construct is called.
        region: Where it is.
        function: Name of the function that calls it.
        settings: What that function runs with.
    """

    name: str
    region: str
    function: str
    settings: Mapping[str, str]


def find(place: Place, *, stack: str | None = None, dependency: str | None = None) -> list[Dependency]:
    """Return the dependencies of *place*, ordered by name and region.

    Args:
        place: Where to look.
        stack: CloudFormation stack they are in. Default: any.
        dependency: Name of the one that is meant. Default: all.

    Raises:
        OperationError: If there is none; the message names those that there are.
    """
    consumers = [each for region in place.regions for each in _consumers(place, region, stack)]
    found = [each for each in consumers if dependency in (None, each.name)]
    where = f"{f'stack {stack} in ' if stack else ''}{' and '.join(place.regions)}"
    if not found:
        there = ", ".join(sorted({each.name for each in consumers})) or "none"
        raise OperationError(
            f"There is no {f'dependency {dependency}' if dependency else 'external dependency'} in {where}; "
            f"the dependencies there: {there}. Check --stack, --dependency and --region."
        )
    return sorted(found, key=lambda each: (each.name, each.region))


def find_one(place: Place, *, stack: str | None = None, dependency: str | None = None) -> Dependency:
    """Return the one dependency that is meant.

    Raises:
        OperationError: If there is none, or more than one; the message names them.
    """
    found = find(place, stack=stack, dependency=dependency)
    if len(found) > 1:
        names = ", ".join(f"{each.name} in {each.region} ({each.function})" for each in found)
        raise OperationError(f"This is done to one dependency at a time, and there are {names}; "
                             "say which with --dependency, --region and --stack.")  # fmt: skip
    return found[0]


def _consumers(place: Place, region: str, stack: str | None) -> Iterator[Dependency]:
    for function, settings in functions.with_settings(place, region, stack):
        if name := settings.get(environment_names.DEPENDENCY):
            yield Dependency(name=name, region=region, function=function, settings=settings)
