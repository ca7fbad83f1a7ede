"""What those who claim messages and the table of claims expect of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from constructs_lib.runtime.claim_states import Busy, Lapsed, Mismatch, Repeated, Stored
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.partiql import Answer


@dataclass(frozen=True, slots=True)
class Swap:
    """Put an item in the place of another.

    Args:
        seen: Token and state of what must be there.
        by: What is to be there.
    """

    seen: Lapsed
    by: Stored


class ClaimStore(Protocol):
    """Port to the table of claims.

    It never raises for a store that is away, and has tried again what is worth it. Ids in one call are different ones.
    Several threads may call it with one item each.
    """

    def insert(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        """Store each item where none of its id is."""

    def swap(self, swaps: Sequence[Swap], deadline: Deadline) -> Sequence[Answer]:
        """Do each swap whose seen item is there."""

    def remove(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        """Remove each item that is there as a claim with its token."""

    def read(self, ids: Sequence[str], deadline: Deadline, *, consistent: bool) -> Mapping[str, "Stored | Away | None"]:
        """Return for each id what is there: None for nothing, `Away` where that is not known.

        Args:
            ids: Of the items.
            deadline: Of the invocation.
            consistent: Whether the newest state is needed; otherwise it may be a second old, at half the price.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A message somebody wants to claim.

    Args:
        record_id: Its id.
        digest: Of its payload.
        redelivered: Whether it has been delivered before, so that it is probably known.
    """

    record_id: str
    digest: str
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that is held.

    Args:
        stored: As written.
        in_doubt: Whether the effect may have happened under an earlier claim.
    """

    stored: Stored
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """The store did not answer, so that nothing is known.

    Args:
        reason: What it did instead, for the log.
    """

    reason: str


Taken = Claim | Repeated | Mismatch | Busy | Away


@dataclass(frozen=True, slots=True)
class Kept:
    """What was to be stored is stored.

    Args:
        left_out: Why the result was not stored with it; empty where it was.
    """

    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else has taken the claim over; nothing was changed.

    Args:
        found: What is there now.
    """

    found: Stored | None


Ending = Kept | Lost | Away
