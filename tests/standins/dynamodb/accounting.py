"""What DynamoDB counts and charges for."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

WRITE_BYTES = 1_024
READ_BYTES = 4_096

# Dollars for a million units on demand in us-east-1, since November 2024.
WRITE_DOLLARS = 0.625
READ_DOLLARS = 0.125


@dataclass(slots=True)
class Usage:
    """Calls and units since it was made or reset.

    Attributes:
        calls: How often each operation was called, as the client's method is named.
        writes, reads: Write and read request units.
        by_table: The same units, of the call that is being answered, for each table.
    """

    calls: Counter[str] = field(default_factory=Counter)
    writes: float = 0.0
    reads: float = 0.0
    by_table: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def dollars(self) -> float:
        """What the units cost."""
        return (self.writes * WRITE_DOLLARS + self.reads * READ_DOLLARS) / 1_000_000

    def reset(self) -> None:
        """Begin at nothing."""
        self.calls.clear()
        self.writes = self.reads = 0.0

    @contextmanager
    def of_call(self, operation: str) -> Iterator[None]:
        """Count one call."""
        self.calls[operation] += 1
        self.by_table.clear()
        yield

    def wrote(self, table: str, *sizes: int, transaction: bool = False) -> None:
        """Charge one write by the largest of *sizes*: the item before, and after. One that was refused costs the same."""
        units = max(1, *(ceil(size / WRITE_BYTES) for size in sizes)) * (2 if transaction else 1)
        self.writes += units
        self.by_table[table] += units

    def read(self, table: str, size: int, *, consistent: bool) -> None:
        """Charge one read; that of an item which is not there costs as much as that of a small one."""
        units = max(1, ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)
        self.reads += units
        self.by_table[table] += units
