"""Count what was sold of each product: the item remembers which orders it has counted."""

import os
from collections.abc import Mapping
from typing import Any

from constructs_lib.runtime import Fold, Items, Record, queue_consumer


def count(record: Record) -> Fold:
    """Return how the product's item changes; all orders of a product in a batch become one write."""

    def add(sales: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"pieces": (sales or {"pieces": 0})["pieces"] + record.body["pieces"]}

    return Fold(table=os.environ["TABLE"], key={"id": f"sales#{record.body['product']}"}, apply=add)


handle = queue_consumer(count, effect=Items())
