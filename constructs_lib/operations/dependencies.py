"""Find what belongs to a dependency, by the settings its consumer runs with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from constructs_lib import _environment as environment_names
from constructs_lib.operations import functions
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
    there = [each for region in place.regions for each in _consumers(place, region, stack)]
    kind = ("dependency", "external dependency", "dependencies")
    return functions.chosen(there, place, stack=stack, name=dependency, kind=kind, option="dependency")


def find_one(place: Place, *, stack: str | None = None, dependency: str | None = None) -> Dependency:
    """Return the one dependency that is meant.

    Raises:
        OperationError: If there is none, or more than one; the message names them.
    """
    return functions.only(find(place, stack=stack, dependency=dependency), "dependency")


def _consumers(place: Place, region: str, stack: str | None) -> Iterator[Dependency]:
    for function, settings in functions.with_settings(place, region, stack):
        if name := settings.get(environment_names.DEPENDENCY):
            yield Dependency(name=name, region=region, function=function, settings=settings)
