"""Items that are folds of their events: the state, and which events are in it, in one write.

A copy of an event that the item remembers changes nothing. Beyond as many newer ones as it remembers, a copy counts
again: give events that may come so late another effect.
"""

from collections.abc import Sequence
from dataclasses import replace

from constructs_lib.runtime.attribute_values import UnsupportedValueError, from_attributes
from constructs_lib.runtime.effects import Fold
from constructs_lib.runtime.item_attributes import IDS, REVISION, Memory, number_in, other_attributes, users_attributes
from constructs_lib.runtime.item_changes import Attributes, Change, Decision
from constructs_lib.runtime.outcomes import Delivery, Done, Failed, Held, Outcome, Refused, Returned, Work, mismatch
from constructs_lib.runtime.records import Record


class FoldRule:
    """Applies the events that are not in the state yet, in the order of their delivery."""

    guard = REVISION

    def decide(self, stored: Attributes | None, changes: Sequence[Change], work: Work) -> Decision:
        """Say what the *changes*, in the order of their delivery, make of what is *stored*."""
        key = changes[0].wanted.key
        state = None if stored is None else users_attributes(stored, key)
        memory = before = Memory.read(stored.get(IDS) if stored else None)
        outcomes: dict[str, Outcome] = {}
        for change in changes:
            delivery, fold = change.delivery, change.write
            assert isinstance(fold, Fold)
            if memory.knows(delivery):
                same = memory.agrees(delivery)
                outcomes[change.position] = Done(repeated=True) if same else mismatch(delivery.record.id)
                continue
            returned = _apply(fold, state, delivery, work)
            if not isinstance(returned, Returned):
                outcomes[change.position] = returned
                continue
            try:
                state = other_attributes(returned.value, key)
            except UnsupportedValueError as error:
                outcomes[change.position] = Refused(error.reason)
                continue
            memory = memory.with_event(delivery, remembered=fold.remembered)
            outcomes[change.position] = Done()
        if state is None or memory is before:
            return Decision(outcomes, None)
        revision = number_in(stored, REVISION) or 0
        return Decision(outcomes, {**state, IDS: memory.attribute, REVISION: {"N": str(revision + 1)}})


def _apply(fold: Fold, state: Attributes | None, delivery: Delivery, work: Work) -> Returned | Held | Refused | Failed:
    def handler(_: Record) -> object:
        # A state of its own each time, of the kinds that a read gives, whatever the function does to it.
        return fold.apply(None if state is None else from_attributes(state))

    return replace(work, handler=handler).attempt(delivery)
