"""Changes of items by what they were: all of one key in a batch become one write, on condition that nobody was quicker.

Read, decide, write if it is still as read; what somebody else has changed meanwhile is read and decided again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from constructs_lib.runtime.attribute_values import UnsupportedValueError
from constructs_lib.runtime.effects import Fold, Replace
from constructs_lib.runtime.item_attributes import RESERVED, key_attributes
from constructs_lib.runtime.item_outcomes import away, invalid
from constructs_lib.runtime.item_reads import Address, BatchReads, Unread, Wanted
from constructs_lib.runtime.outcomes import Delivery, Done, Held, Outcome, Refused, Work
from constructs_lib.runtime.partiql import Answer, BatchStatements, Fate, Statement, insert, update
from constructs_lib.runtime.patience import Patience

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What one message wants of an item.

    Args:
        delivery: The message.
        wanted: Which item.
        write: As the handler returned it.
    """

    delivery: Delivery
    wanted: Wanted
    write: Fold | Replace

    @classmethod
    def of(cls, delivery: Delivery, write: Fold | Replace) -> "Change":
        """Make it of what the handler returned.

        Raises:
            UnsupportedValueError: If its key cannot be one.
        """
        return cls(delivery, Wanted(write.table, key_attributes(write.key)), write)

    @property
    def position(self) -> str:
        """What its outcome is told by."""
        return self.delivery.arrival.position


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of an item and of the messages about it.

    Args:
        outcomes: Of each message, for when the item is written, or need not be.
        attributes: All attributes the item is to have beside its key and beside the runtime's own that are not named
            here; None if there is nothing to write.
    """

    outcomes: Mapping[str, Outcome]
    attributes: Attributes | None


class Rule(Protocol):
    """Decides by what is stored."""

    @property
    def guard(self) -> str:
        """Name of the attribute that is different after each write."""

    def decide(self, stored: Attributes | None, changes: Sequence[Change], work: Work) -> Decision:
        """Say what the *changes*, in the order of their delivery, make of what is *stored*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Settles changes by a rule."""

    reads: BatchReads
    statements: BatchStatements

    def settle(self, changes: Sequence[Change], rule: Rule, work: Work) -> dict[str, Outcome]:
        """Change each item once for all its messages."""
        outcomes: dict[str, Outcome] = {}
        _Run(self.reads, self.statements, rule, work, outcomes).all(changes)
        return outcomes


@dataclass(frozen=True, slots=True)
class _Run:
    reads: BatchReads
    statements: BatchStatements
    rule: Rule
    work: Work
    outcomes: dict[str, Outcome]
    # For each item the groups of changes to be written one after the other: one group, unless a write was not possible.
    waiting: dict[Address, list[list[Change]]] = field(default_factory=dict)

    def all(self, changes: Iterable[Change]) -> None:
        groups: defaultdict[Address, list[Change]] = defaultdict(list)
        for change in changes:
            groups[change.wanted.address].append(change)
        self.waiting.update((address, [group]) for address, group in groups.items())
        patience = Patience(self.work.deadline, self.statements.sleep)
        conflicts = 0
        while self.waiting:
            if self._once(consistent=conflicts > 0 or not self._all_delivered_before()):
                conflicts += 1
                if not patience.allows(conflicts):
                    self._give_up()

    def _all_delivered_before(self) -> bool:
        """Return whether most probably there is nothing to write, and a cheaper read will show that."""
        return all(
            change.delivery.arrival.deliveries > 1
            for groups in self.waiting.values()
            for group in groups
            for change in group
        )

    def _once(self, *, consistent: bool) -> bool:
        """Try to settle the first group of each item; return whether one is to be looked at again."""
        first = {address: groups[0] for address, groups in self.waiting.items()}
        found = self.reads.items(
            (group[0].wanted for group in first.values()), self.work.deadline, consistent=consistent
        )
        written: list[tuple[Address, Decision, Statement]] = []
        again = []
        for address, group in first.items():
            stored = found[address]
            if isinstance(stored, Unread):
                self._settled(address, self._for_all(group, stored.reason, never=stored.invalid))
                continue
            try:
                decision = self.rule.decide(stored, group, self.work)
                statement = self._statement(group[0].wanted, stored, decision)
            except UnsupportedValueError as error:
                self._not_possible(address, group, error.reason)
                continue
            if not consistent and any(isinstance(outcome, Refused) for outcome in decision.outcomes.values()):
                # Not on the word of a read that may be late: nobody comes back to what is refused.
                again.append(address)
            elif statement is None:
                self._settled(address, decision.outcomes)
            else:
                written.append((address, decision, statement))
        answers = self.statements.run([statement for _, _, statement in written], self.work.deadline)
        quicker = [
            self._conflicts(address, decision, answer)
            for (address, decision, _), answer in zip(written, answers, strict=True)
        ]
        return any(again) or any(quicker)

    def _conflicts(self, address: Address, decision: Decision, answer: Answer) -> bool:
        group = self.waiting[address][0]
        match answer.fate:
            case Fate.WRITTEN:
                self._settled(address, decision.outcomes)
            case Fate.INVALID:
                self._not_possible(address, group, answer.reason)
            case Fate.AWAY:
                unwritten = [change for change in group if decision.outcomes[change.position] == Done()]
                self._settled(address, {**decision.outcomes, **self._for_all(unwritten, answer.reason)})
            case _:
                return True
        return False

    def _statement(self, wanted: Wanted, stored: Attributes | None, decision: Decision) -> Statement | None:
        if decision.attributes is None:
            return None
        if stored is None:
            return insert(wanted.table, {**wanted.key, **decision.attributes})
        kept = RESERVED | wanted.key.keys() | decision.attributes.keys()
        return update(
            wanted.table,
            wanted.key,
            put={name: value for name, value in decision.attributes.items() if stored.get(name) != value},
            remove=[name for name in stored if name not in kept],
            where={self.rule.guard: stored.get(self.rule.guard)},
        )

    def _not_possible(self, address: Address, group: Sequence[Change], reason: str) -> None:
        """The store will not take what the group makes of the item: try each by itself, for one alone is to blame."""
        if len(group) == 1:
            self._settled(address, {group[0].position: invalid(reason)})
        else:
            self.waiting[address][:1] = [[change] for change in group]

    def _for_all(self, group: Sequence[Change], reason: str, *, never: bool = False) -> dict[str, Outcome]:
        return {change.position: invalid(reason) if never else away(reason, self.work) for change in group}

    def _settled(self, address: Address, outcomes: Mapping[str, Outcome]) -> None:
        self.outcomes.update(outcomes)
        del self.waiting[address][0]
        if not self.waiting[address]:
            del self.waiting[address]

    def _give_up(self) -> None:
        for groups in self.waiting.values():
            held = Held("other writers of its item were quicker each time")
            self.outcomes.update((change.position, held) for group in groups for change in group)
        self.waiting.clear()
