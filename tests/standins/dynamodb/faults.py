"""How the double breaks on demand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.standins.dynamodb.values import Value


@dataclass(frozen=True, slots=True)
class Moment:
    """Just before or just after a call takes effect.

    Attributes:
        operation: The client's method: "put_item", "batch_execute_statement", ...
        request: Its arguments.
        after: Whether the call has taken effect; its answer has not come yet.
    """

    operation: str
    request: Mapping[str, Any]
    after: bool


@dataclass(frozen=True, slots=True)
class Action:
    """What one call does to one item: a whole call, or one of its statements, actions or items.

    Attributes:
        operation: The client's method.
        table: The item's table.
        key: The item's key.
    """

    operation: str
    table: str
    key: Mapping[str, Value]


def _nothing(_moment: Moment) -> None:
    pass


def _no_code(_action: Action) -> None:
    return None


def _no(_action: Action) -> bool:
    return False


@dataclass(slots=True, kw_only=True)
class Faults:
    """Faults of one client; they may be changed at any time.

    Attributes:
        crash: Called before and after every call; what it raises, the call raises. Default: nothing happens.
        refuse: The code that this item's part of a call is refused with, or None: "ThrottlingError",
            "ProvisionedThroughputExceeded", "TransactionConflict", "ReplicatedWriteConflict", "ValidationError", ... A call
            for one item raises the error of that name; a statement has it as its Error; it cancels a transaction; reads
            and writes of a batch are left unprocessed, whatever the code. Default: none is.
        stale: Whether an eventually consistent read does not see this item yet. Default: it does.
        unreachable: "refused": no connection, nothing happens. "lost": the call takes effect, its answer does not come.
            "late": it does not come either, and nothing has happened. Or a function of the operation that tells. Default:
            it answers.
    """

    crash: Callable[[Moment], object] = _nothing
    refuse: Callable[[Action], str | None] = _no_code
    stale: Callable[[Action], bool] = _no
    unreachable: Literal["refused", "lost", "late"] | Callable[[str], str | None] | None = None

    def reach(self, operation: str) -> str | None:
        """How this call does not reach DynamoDB; None if it does."""
        return self.unreachable(operation) if callable(self.unreachable) else self.unreachable
