"""What goes into one call of a service that limits number and size."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], *, size: Callable[[T], int], most: int, most_bytes: int) -> Iterator[list[T]]:
    """Cut *items*, in their order, into pieces of at most *most* and *most_bytes*; one that is too large is alone."""
    chunk: list[T] = []
    total = 0
    for item in items:
        bytes_of_item = size(item)
        if chunk and (len(chunk) == most or total + bytes_of_item > most_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += bytes_of_item
    if chunk:
        yield chunk
