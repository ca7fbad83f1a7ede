"""Find functions by the settings they run with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place


class Owner(Protocol):
    """What a function stands for: something that has a name, in one region."""

    @property
    def name(self) -> str:
        """As operators call it."""

    @property
    def region(self) -> str:
        """Where it is."""

    @property
    def function(self) -> str:
        """Name of the function."""


T = TypeVar("T", bound=Owner)


def with_settings(place: Place, region: str, stack: str | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the functions of *region* and what each runs with.

    Args:
        place: Where to look.
        region: One of its regions.
        stack: CloudFormation stack they are in. None: any.
    """
    client = place.client("lambda", region)
    if stack is None:
        pages = client.get_paginator("list_functions").paginate()
        functions: Iterator[Any] = (function for page in pages for function in page["Functions"])
    else:
        names = _names(place, region, stack)
        functions = (client.get_function_configuration(FunctionName=name) for name in names)
    for function in functions:
        yield function["FunctionName"], function.get("Environment", {}).get("Variables", {})


def chosen(
    there: Iterable[T], place: Place, *, stack: str | None, name: str | None, kind: tuple[str, str, str], option: str
) -> list[T]:
    """Return those of *there* that are called *name*, or all, ordered by name and region.

    Args:
        there: What was found.
        place: Where.
        stack: CloudFormation stack that was looked into.
        name: Of the one that is meant. None: all.
        kind: What it is, for people: with a name, without one, and several.
        option: Of the command that names one.

    Raises:
        OperationError: If there is none; the message names those that there are.
    """
    there = list(there)
    found = [each for each in there if name in (None, each.name)]
    if not found:
        where = f"{f'stack {stack} in ' if stack else ''}{' and '.join(place.regions)}"
        names = ", ".join(sorted({each.name for each in there})) or "none"
        named, nameless, several = kind
        raise OperationError(
            f"There is no {f'{named} {name}' if name else nameless} in {where}; the {several} there: {names}. "
            f"Check --stack, --{option} and --region."
        )
    return sorted(found, key=lambda each: (each.name, each.region))


def only(found: Sequence[T], option: str) -> T:
    """Return the one that *found* holds.

    Raises:
        OperationError: If there are several; the message names them.
    """
    if len(found) > 1:
        names = ", ".join(f"{each.name} in {each.region} ({each.function})" for each in found)
        raise OperationError(
            f"This is done to one {option} at a time, and there are {names}; "
            f"say which with --{option}, --region and --stack."
        )
    return found[0]


def _names(place: Place, region: str, stack: str) -> list[str]:
    client = place.client("cloudformation", region)
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    try:
        return [
            resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function" and resource.get("PhysicalResourceId")
        ]
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # what CloudFormation says of an unknown stack
            return []
        raise
