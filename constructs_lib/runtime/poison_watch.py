"""Telling one payload that a dependency cannot bear from an outage."""

from collections.abc import Set as AbstractSet


class PoisonWatch:
    """What is known in an invocation about who fails alone.

    Calls about several keys that all fail are no single payload's doing. One key may fail alone for the sake of its
    payload, or because nothing else is called. If others have been answered since it failed first, it is no sign of an
    outage. If none have, nothing tells the two apart, so it may open the circuit, once: when the circuit is closed again
    while that key still fails, others were answered, and until it is answered itself it tells nothing any more.
    """

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._suspects: set[str] = set()
        self._blamed: str | None = None

    def begin_invocation(self) -> None:
        """Forget: the calls from now on are about other records, or in other company."""
        self._failed.clear()
        self._suspects.clear()
        self._blamed = None

    def answered(self, key: str) -> None:
        """Learn that a call about *key* was answered."""
        self._suspects |= self._failed
        for suspicious in (self._failed, self._suspects):
            suspicious.discard(key)
        if key == self._blamed:
            self._blamed = None

    def failed(self, key: str) -> None:
        """Learn that a call about *key* was not answered."""
        self._failed.add(key)

    def may_be_poison(self, keys: AbstractSet[str]) -> bool:
        """Whether it may be for one payload that calls about *keys* fail, and no others were answered since."""
        return len(keys) == 1 and keys <= self._suspects

    def opened(self, keys: AbstractSet[str]) -> None:
        """Learn that the circuit opens for calls about *keys*."""
        if len(keys) == 1:
            [self._blamed] = keys

    def tells_nothing(self, key: str) -> bool:
        """Whether *key* alone has opened the circuit in this invocation, and has not been answered since."""
        return key == self._blamed
