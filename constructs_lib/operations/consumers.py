"""Find queue consumers, by the settings they run with."""

from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib import _environment as environment_names
from constructs_lib.operations import functions
from constructs_lib.operations.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """The consumer of a queue in one region.

    Attributes:
        name: Of its code, as its logs and metrics call it.
        region: Where it is.
        function: Name of the function.
        queue_url: Where its messages come from.
        dead_letter_queue_url: Where those go that failed for good.
        table: Where it notes why a message failed; None where it keeps no notes.
    """

    name: str
    region: str
    function: str
    queue_url: str
    dead_letter_queue_url: str
    table: str | None


def find(place: Place, *, stack: str | None = None, consumer: str | None = None) -> list[Consumer]:
    """Return the queue consumers of *place*, ordered by name and region.

    Args:
        place: Where to look.
        stack: CloudFormation stack they are in. Default: any.
        consumer: Name of the one that is meant. Default: all.

    Raises:
        OperationError: If there is none; the message names those that there are.
    """
    there = [each for region in place.regions for each in _of(place, region, stack)]
    kind = ("queue consumer", "queue consumer", "consumers")
    return functions.chosen(there, place, stack=stack, name=consumer, kind=kind, option="consumer")


def find_one(place: Place, *, stack: str | None = None, consumer: str | None = None) -> Consumer:
    """Return the one queue consumer that is meant.

    Raises:
        OperationError: If there is none, or more than one; the message names them.
    """
    return functions.only(find(place, stack=stack, consumer=consumer), "consumer")


def _of(place: Place, region: str, stack: str | None) -> Iterator[Consumer]:
    for function, settings in functions.with_settings(place, region, stack):
        dead_letters = settings.get(environment_names.DEAD_LETTER_QUEUE_URL)
        queue = settings.get(environment_names.QUEUE_URL)
        if dead_letters and queue:
            yield Consumer(
                name=settings.get(environment_names.SERVICE_NAME) or function,
                region=region,
                function=function,
                queue_url=queue,
                dead_letter_queue_url=dead_letters,
                table=settings.get(environment_names.IDEMPOTENCY_TABLE) or None,
            )
