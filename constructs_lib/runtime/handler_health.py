"""Telling a broken handler from broken records."""

from collections import OrderedDict

# One key's records may all be broken; that many keys' are not.
_LEAST_KEYS = 4
_REMEMBERED_KEYS = 20


class HandlerHealth:
    """What the latest calls of this execution environment say about the handler itself.

    It remembers how the last call went for each of the latest 20 keys. When at least four are known and at least half
    of them fail without a scope, it is the handler that fails, and no record is to be given up for it.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, bool] = OrderedDict()

    def saw(self, key: str, *, failed: bool) -> None:
        """Learn whether the call with a record of *key* ended in a failure of unknown scope."""
        self._failed[key] = failed
        self._failed.move_to_end(key)
        if len(self._failed) > _REMEMBERED_KEYS:
            self._failed.popitem(last=False)

    @property
    def blames_handler(self) -> bool:
        """Whether so many keys fail that way that it is the handler, and not its records."""
        return len(self._failed) >= _LEAST_KEYS and 2 * sum(self._failed.values()) >= len(self._failed)
