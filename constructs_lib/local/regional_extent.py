"""The regions that an app needs: those of its stacks, and those its global tables have replicas in."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from constructs_lib.local.assembly import Stack
from constructs_lib.local.replication.tables import GLOBAL_TABLE


def regions_of(stacks: Sequence[Stack], assembly: Path, default: str) -> tuple[str, ...]:
    """Every region of *stacks*, in their order, and then those of replicas elsewhere.

    Args:
        stacks: The stacks of the app.
        assembly: Where their templates are.
        default: Region of stacks that name none.
    """
    return tuple(dict.fromkeys([*(stack.region or default for stack in stacks), *_replicas(assembly)]))


def _replicas(assembly: Path) -> Iterator[str]:
    for file in sorted(assembly.rglob("*.template.json")):
        for resource in json.loads(file.read_text()).get("Resources", {}).values():
            if resource["Type"] == GLOBAL_TABLE:
                regions = (replica.get("Region") for replica in resource["Properties"].get("Replicas", ()))
                # One that is not spelled out is the stack's own.
                yield from (region for region in regions if isinstance(region, str))
