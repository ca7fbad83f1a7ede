"""How `resilience quarantine` tells what it found and did."""

import argparse
import json
from collections.abc import Sequence

from constructs_lib.operations.quarantine.desk import Plan, as_json
from constructs_lib.operations.quarantine.items import Item


def print_table(items: Sequence[Item]) -> None:
    """One line for each item, under a line of headings."""
    if not items:
        return
    rows = [("QUARANTINED", "KIND", "TENANT", "KEY", "TRIES", "ID", "REASON")]
    rows += [
        (
            f"{item.quarantined:%Y-%m-%dT%H:%M:%SZ}",
            item.kind,
            item.tenant or "-",
            item.key or "-",
            str(item.attempts),
            item.id,
            item.reason,
        )
        for item in items
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[6]]))


def print_plan(plan: Plan, options: argparse.Namespace) -> None:
    """What a redrive would do."""
    if options.json:
        streams = {arn: [as_json(item) for item in items] for arn, items in plan.streams.items()}
        print(json.dumps({"streams": streams, "impossible": plan.impossible}, indent=1))
        return
    for arn, items in plan.streams.items():
        keys = len({item.partition_key for item in items})
        seconds = len(items) / options.rate
        print(f"{len(items):,} of {keys:,} keys would go to {arn}, in about {seconds:,.0f} seconds:")
        print_table(items)
    if not plan.streams:
        print("Nothing would be sent")
    print_impossible(plan)


def print_impossible(plan: Plan) -> None:
    """What a redrive has to leave where it is."""
    for name, why in plan.impossible.items():
        print(f"cannot be sent: {name}: {why}")
