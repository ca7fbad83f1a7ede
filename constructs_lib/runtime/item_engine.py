"""Settles messages whose handler returns what is to be written, for a whole batch at a time.

The handlers run first, then the kinds of writes one after the other: inserts, folds, replacements, transactions. Writes
of different kinds should not meet in one item. Last go the messages that follow from what is written, now or before.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from constructs_lib.runtime.effects import Fold, Insert, Replace, Send, Transact
from constructs_lib.runtime.item_changes import Change, Changes
from constructs_lib.runtime.item_folds import FoldRule
from constructs_lib.runtime.item_inserts import Inserts, NewItem
from constructs_lib.runtime.item_packs import Entry
from constructs_lib.runtime.item_reads import BatchReads
from constructs_lib.runtime.item_replaces import ReplaceRule
from constructs_lib.runtime.item_transactions import Marks, Transactions
from constructs_lib.runtime.outcomes import Delivery, Done, NotBegun, Outcome, Returned, Work
from constructs_lib.runtime.partiql import BatchStatements
from constructs_lib.runtime.sends import Sender

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


class NotAWriteError(TypeError):
    """The handler of a consumer with `Items` returned something else."""


class NoTransactionsError(RuntimeError):
    """The consumer has no place for the marks of transactions."""


@dataclass(slots=True)
class _Plans:
    inserts: list[NewItem] = field(default_factory=list)
    folds: list[Change] = field(default_factory=list)
    replaces: list[Change] = field(default_factory=list)
    transactions: list[Entry] = field(default_factory=list)
    follow: dict[str, Sequence[Send]] = field(default_factory=dict)


class ItemsEngine:
    """Makes the effects of `Items`. For one caller at a time.

    Args:
        client: DynamoDB client.
        sender: Sends the messages that follow.
        claims_table: The idempotency table, where the marks of transactions are; None where there is none.
        scope: Stands before each id there.
        strong: Whether that table is strongly consistent across Regions. DynamoDB has no transactions there: a
            `Transact` fails, by name.
        remember_seconds: How long the mark of a transaction counts.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        client: "DynamoDBClient",
        sender: Sender,
        claims_table: str | None,
        scope: str,
        strong: bool,
        remember_seconds: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        reads = BatchReads(client=client, sleep=sleep)
        statements = BatchStatements(client=client, sleep=sleep)
        self._inserts = Inserts(reads=reads, statements=statements)
        self._changes = Changes(reads=reads, statements=statements)
        self._transactions: Transactions | None = None
        if claims_table is not None and not strong:
            marks = Marks(table=claims_table, scope=scope, remember_seconds=remember_seconds)
            self._transactions = Transactions(client=client, reads=reads, marks=marks, sleep=sleep)
        self._strong = strong
        self._sender = sender

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        """Settle each of *deliveries*, none of which share an id; return the outcomes by `arrival.position`."""
        plans = _Plans()
        outcomes: dict[str, Outcome] = {}
        for delivery in deliveries:
            outcomes[delivery.arrival.position] = self._plan(delivery, work, plans)
        if plans.inserts:
            outcomes |= self._inserts.settle(plans.inserts, work)
        if plans.folds:
            outcomes |= self._changes.settle(plans.folds, FoldRule(), work)
        if plans.replaces:
            outcomes |= self._changes.settle(plans.replaces, ReplaceRule(), work)
        if plans.transactions and self._transactions:
            outcomes |= self._transactions.settle(plans.transactions, work)
        return self._sender.confirm(outcomes, plans.follow, work)

    def _plan(self, delivery: Delivery, work: Work, plans: _Plans) -> Outcome:
        """Call the handler and plan what it returns; return the outcome if nothing is to be written."""
        if not work.deadline.leaves_time():
            return NotBegun()
        # What cannot be written fails the message as if the handler had raised it.
        planned = replace(work, handler=lambda record: self._add(plans, delivery, work.handler(record)))
        attempt = planned.attempt(delivery)
        return Done() if isinstance(attempt, Returned) else attempt

    def _add(self, plans: _Plans, delivery: Delivery, write: object) -> None:
        if write is None:
            return
        if not isinstance(write, Insert | Fold | Replace | Transact):
            raise NotAWriteError(
                f"the handler returned {type(write).__name__}; with Items it returns Insert, Fold, Replace, Transact "
                "or None"
            )
        if not isinstance(write.then, list | tuple) or not all(isinstance(send, Send) for send in write.then):
            raise NotAWriteError("what follows from a write, its `then`, is a list or tuple of Send")
        match write:
            case Insert():
                plans.inserts.append(NewItem.of(delivery, write))
            case Fold():
                plans.folds.append(Change.of(delivery, write))
            case Replace():
                plans.replaces.append(Change.of(delivery, write))
            case Transact():
                plans.transactions.append(self._transactor.plan(delivery, write))
        # What followed from a message of the past has long been sent.
        if not delivery.record.replay:
            plans.follow[delivery.arrival.position] = write.then

    @property
    def _transactor(self) -> Transactions:
        if self._transactions is not None:
            return self._transactions
        if self._strong:
            raise NoTransactionsError(
                "DynamoDB has no transactions on tables that are strongly consistent across Regions; return Insert, Fold "
                "or Replace, or give the consumer a store of one Region"
            )
        raise NoTransactionsError("Transact keeps its marks in an idempotency table, and this consumer has none")
