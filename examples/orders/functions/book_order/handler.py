"""Book an order: its item is the effect, so the item is also what tells that it happened."""

import os

from constructs_lib.runtime import Insert, Items, Record, queue_consumer


def book(record: Record) -> Insert:
    """Return the order's item; the consumer writes those of a whole batch at once, each once."""
    item = {"product": record.body["product"], "pieces": record.body["pieces"], "ordered_at": record.created}
    return Insert(table=os.environ["TABLE"], key={"id": f"order#{record.id}"}, item=item)


handle = queue_consumer(book, effect=Items())
