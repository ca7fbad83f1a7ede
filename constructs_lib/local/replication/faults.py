"""What faults between regions mean for global tables."""

from collections.abc import Mapping

from constructs_lib.local.faults.model import Fault, Partition, RegionLost
from constructs_lib.local.replication.runner import GlobalTables


def hold(tables: GlobalTables, before: Mapping[str, Fault], now: Mapping[str, Fault]) -> None:
    """Hold back what is cut off *now* and was not *before*."""
    for region in sorted(_lost(now) - _lost(before)):
        tables.pause_region(region)
    for a, b in sorted(_cut(now) - _cut(before)):
        tables.pause(a, b)


def let_go(tables: GlobalTables, before: Mapping[str, Fault], now: Mapping[str, Fault]) -> None:
    """Let go on what was cut off *before* and is not *now*."""
    for region in sorted(_lost(before) - _lost(now)):
        tables.resume_region(region)
    for a, b in sorted(_cut(before) - _cut(now)):
        tables.resume(a, b)


def _lost(faults: Mapping[str, Fault]) -> set[str]:
    return {fault.region for fault in faults.values() if isinstance(fault, RegionLost)}


def _cut(faults: Mapping[str, Fault]) -> set[tuple[str, str]]:
    return {(min(fault.regions), max(fault.regions)) for fault in faults.values() if isinstance(fault, Partition)}
