"""Notes that it was told of an order; a message that is none it refuses."""

import os

from constructs_lib.runtime import Insert, Items, PermanentFailure, Record, queue_consumer


def note(record: Record) -> Insert:
    """An item for the order, under this consumer's name."""
    if record.body.get("spoilt") == os.environ["NAME"]:
        raise PermanentFailure("this one cannot be read")
    told = {"tenant": record.tenant, "source": record.body.get("source", "topic")}
    return Insert(table=os.environ["TABLE"], key={"id": f"{os.environ['NAME']} {record.id}"}, item=told)


handle = queue_consumer(note, effect=Items())
