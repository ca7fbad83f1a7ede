"""The lightest consumer of a stream: nothing but the runtime."""

from constructs_lib.runtime import Record, stream_consumer


def keep(record: Record) -> None:
    """Do what any handler does with a record, at no cost."""


handle = stream_consumer(keep)
