"""New items that are the marks of their events: written where none is there, 25 to a call.

An event that has been delivered before is looked for first: an eventually consistent read costs a tenth of a write that
finds the item there. What such a read does not see yet, the write finds. Whoever deletes an item forgets its event.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from constructs_lib.runtime.effects import Insert
from constructs_lib.runtime.item_attributes import DIGEST, key_attributes, other_attributes
from constructs_lib.runtime.item_outcomes import away, invalid
from constructs_lib.runtime.item_reads import Address, BatchReads, Unread, Wanted
from constructs_lib.runtime.outcomes import Delivery, Done, Held, Outcome, Work, mismatch
from constructs_lib.runtime.partiql import BatchStatements, Fate, Statement, insert


@dataclass(frozen=True, slots=True)
class NewItem:
    """What one message wants.

    Args:
        delivery: The message.
        wanted: Which item.
        statement: Writes it.
    """

    delivery: Delivery
    wanted: Wanted
    statement: Statement

    @classmethod
    def of(cls, delivery: Delivery, write: Insert) -> "NewItem":
        """Make it of what the handler returned.

        Raises:
            UnsupportedValueError: If it cannot be written.
        """
        key = key_attributes(write.key)
        item = {**key, **other_attributes(write.item, key), DIGEST: {"S": delivery.digest}}
        return cls(delivery, Wanted(write.table, key), insert(write.table, item))

    @property
    def position(self) -> str:
        """What its outcome is told by."""
        return self.delivery.arrival.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserts:
    """Settles `Insert`s."""

    reads: BatchReads
    statements: BatchStatements

    def settle(self, entries: Sequence[NewItem], work: Work) -> dict[str, Outcome]:
        """Write each item that is not there; tell copies of its event from other events that claim its key."""
        outcomes: dict[str, Outcome] = {}
        if seen_before := [entry for entry in entries if entry.delivery.arrival.deliveries > 1]:
            outcomes |= self._found(seen_before, work, consistent=False)
        for different in _rounds(entry for entry in entries if entry.position not in outcomes):
            outcomes |= self._write(different, work)
        return outcomes

    def _write(self, entries: Sequence[NewItem], work: Work) -> Mapping[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        there: list[NewItem] = []
        answers = self.statements.run([entry.statement for entry in entries], work.deadline)
        for entry, answer in zip(entries, answers, strict=True):
            match answer.fate:
                case Fate.WRITTEN:
                    outcomes[entry.position] = Done()
                case Fate.INVALID:
                    outcomes[entry.position] = invalid(answer.reason)
                case Fate.AWAY:
                    outcomes[entry.position] = away(answer.reason, work)
                case _:
                    there.append(entry)
        if there:
            gone = Held("an item of its key was there and then was not")
            outcomes |= {entry.position: gone for entry in there} | self._found(there, work, consistent=True)
        return outcomes

    def _found(self, entries: Sequence[NewItem], work: Work, *, consistent: bool) -> dict[str, Outcome]:
        """Return the outcomes of those whose items are there, by what these tell of their events."""
        found = self.reads.items((entry.wanted for entry in entries), work.deadline, consistent=consistent)
        outcomes: dict[str, Outcome] = {}
        for entry in entries:
            item = found[entry.wanted.address]
            if isinstance(item, Unread):
                if consistent:
                    outcomes[entry.position] = away(item.reason, work)
            elif item is not None and item.get(DIGEST) == {"S": entry.delivery.digest}:
                outcomes[entry.position] = Done(repeated=True)
            elif item is not None and consistent:
                # Not on the word of a read that may be late: nobody comes back to what is refused.
                outcomes[entry.position] = mismatch(entry.delivery.record.id)
        return outcomes


def _rounds(entries: Iterable[NewItem]) -> list[list[NewItem]]:
    """Return *entries* so that no two of a round have one key: the first of each key, then the second of each."""
    by_address: defaultdict[Address, list[NewItem]] = defaultdict(list)
    for entry in entries:
        by_address[entry.wanted.address].append(entry)
    return [[entry for entry in column if entry] for column in zip_longest(*by_address.values())]
