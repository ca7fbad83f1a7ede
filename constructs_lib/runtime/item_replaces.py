"""Items that come whole, in versions: the newest stays, in whatever order they come."""

from collections.abc import Sequence

from constructs_lib.runtime.attribute_values import UnsupportedValueError, to_attribute
from constructs_lib.runtime.effects import Replace
from constructs_lib.runtime.item_attributes import DIGEST, VERSION, number_in, other_attributes
from constructs_lib.runtime.item_changes import Attributes, Change, Decision
from constructs_lib.runtime.outcomes import Done, Outcome, Refused, Work, mismatch


class ReplaceRule:
    """Keeps the newest version; an item that has none is older than any."""

    guard = VERSION

    def decide(self, stored: Attributes | None, changes: Sequence[Change], work: Work) -> Decision:  # noqa: ARG002 - as others
        """Say what the *changes*, in the order of their delivery, make of what is *stored*."""
        version = number_in(stored, VERSION)
        digest = None if stored is None else stored.get(DIGEST, {}).get("S")
        attributes: Attributes | None = None
        outcomes: dict[str, Outcome] = {}
        for change in changes:
            delivery, write = change.delivery, change.write
            assert isinstance(write, Replace)
            try:
                new = _attributes(change, write)
            except UnsupportedValueError as error:
                outcomes[change.position] = Refused(error.reason)
                continue
            if version is None or write.version > version:
                version, digest, attributes = write.version, delivery.digest, new
                outcomes[change.position] = Done()
            elif write.version < version:
                outcomes[change.position] = Done()
            else:
                same = digest == delivery.digest
                outcomes[change.position] = Done(repeated=True) if same else mismatch(delivery.record.id)
        return Decision(outcomes, attributes)


def _attributes(change: Change, write: Replace) -> Attributes:
    if type(write.version) is not int:
        raise UnsupportedValueError(f"the version of an item is an int, got {type(write.version).__name__}")
    return {
        **other_attributes(write.item, change.wanted.key),
        VERSION: to_attribute(write.version, at="version"),
        DIGEST: {"S": change.delivery.digest},
    }
