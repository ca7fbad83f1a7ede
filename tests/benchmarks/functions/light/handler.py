"""The lightest consumer of a queue: nothing but the runtime."""

from constructs_lib.runtime import Record, queue_consumer


def keep(record: Record) -> None:
    """Do what any handler does with a message, at no cost."""


handle = queue_consumer(keep)
