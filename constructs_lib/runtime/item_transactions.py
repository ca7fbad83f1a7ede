"""Several items, all or none, each message's together with its mark in the idempotency table.

Messages share a transaction as long as there is room and they are known to touch different items. What is in the way of
one message cancels all that share its transaction; the reasons tell whose fault it was, and the others go again without
it.

Source: Amazon DynamoDB API reference, `TransactWriteItems`, `TransactionCanceledException`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from constructs_lib.runtime.attribute_values import to_attributes
from constructs_lib.runtime.claim_states import CLOCK_MARGIN_SECONDS, item_id
from constructs_lib.runtime.descriptions import clean, describe
from constructs_lib.runtime.effects import Transact
from constructs_lib.runtime.item_outcomes import away, invalid
from constructs_lib.runtime.item_packs import Entry, packs
from constructs_lib.runtime.item_reads import BatchReads, Unread, Wanted
from constructs_lib.runtime.outcomes import Delivery, Done, Failed, Held, Outcome, Work, mismatch
from constructs_lib.runtime.partiql import passes
from constructs_lib.runtime.patience import Patience

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_UNMET = "ConditionalCheckFailed"
_NONE = "None"
_CLAIMED: Any = {"S": "claimed"}
# Less is not enough for a transaction, its answer and that of the consumer.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Where the marks of transactions are.

    Args:
        table: The idempotency table.
        scope: Stands before each id there.
        remember_seconds: How long a mark counts.
    """

    table: str
    scope: str
    remember_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """Settles `Transact`s.

    Args:
        client: DynamoDB client.
        reads: Reads marks.
        marks: Where the marks are.
        sleep: Waits so many seconds.
    """

    client: "DynamoDBClient"
    reads: BatchReads
    marks: Marks
    sleep: Callable[[float], None] = time.sleep

    def plan(self, delivery: Delivery, write: Transact) -> Entry:
        """Make an entry of what the handler returned.

        Raises:
            UnsupportedValueError: If it is not for a transaction.
        """
        mark = Wanted(self.marks.table, {"id": {"S": item_id(self.marks.scope, delivery.record.id)}})
        return Entry.of(delivery, write, mark)

    def settle(self, entries: Sequence[Entry], work: Work) -> dict[str, Outcome]:
        """Carry out each message's operations once."""
        outcomes: dict[str, Outcome] = {}
        if seen_before := [entry for entry in entries if entry.delivery.arrival.deliveries > 1]:
            outcomes |= self._marked(seen_before, work)
        run = _Run(self, work, outcomes)
        for pack in packs([entry for entry in entries if entry.position not in outcomes]):
            run.pack(pack)
        return outcomes

    def _marked(self, entries: Sequence[Entry], work: Work) -> dict[str, Outcome]:
        """Return the outcomes of those whose marks an inexpensive read sees."""
        found = self.reads.items((entry.mark for entry in entries), work.deadline, consistent=False)
        outcomes: dict[str, Outcome] = {}
        for entry in entries:
            item = found[entry.mark.address]
            if item is not None and not isinstance(item, Unread) and _expiration(item) > work.now():
                outcome = _judged(entry.delivery, item, work.now())
                # Only on the word of the transaction itself is a message refused: this read may be late.
                if isinstance(outcome, Done):
                    outcomes[entry.position] = outcome
        return outcomes


def _expiration(mark: Mapping[str, Any]) -> float:
    return float(mark.get("expiration", {}).get("N", 0))


def _judged(delivery: Delivery, mark: Mapping[str, Any], now: float) -> Outcome:
    """Return the outcome of a message whose id has a mark already."""
    if mark.get("digest") != {"S": delivery.digest}:
        return mismatch(delivery.record.id)
    if mark.get("state") == _CLAIMED:
        # By a worker of a time when the consumer's effect was another kind; it is not done by that.
        runs_until = float(mark["claimed_until"]["N"]) + CLOCK_MARGIN_SECONDS
        return Held("a copy of it is being worked on", retry_after=max(0.0, runs_until - now))
    return Done(repeated=True)


@dataclass(frozen=True, slots=True)
class _Run:
    transactions: Transactions
    work: Work
    outcomes: dict[str, Outcome]
    # Why no further transaction is tried: waiting for each of a large batch would outlast the invocation.
    ended: list[str] = field(default_factory=list)

    def pack(self, entries: Sequence[Entry]) -> None:
        """Carry out one transaction, without those that turn out to stand in its way."""
        patience = Patience(self.work.deadline, self.transactions.sleep)
        again = list(entries)
        waiting: list[Entry] = []
        made = 0
        while again or waiting:
            if not again:
                made += 1
                if not patience.allows(made):
                    self._hold(waiting, "the store is busy with its items")
                    return
                again, waiting = waiting, []
            again, in_the_way = self._once(again)
            waiting += in_the_way

    def _once(self, entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Try a transaction; return who is to go again at once, and who after a pause."""
        if self.work.deadline.seconds_left < _LEAST_SECONDS:
            self.ended.append("no time was left")
        if self.ended:
            self._hold(entries, self.ended[0])
            return [], []
        actions: Any = [action for entry in entries for action in (*entry.actions, self._mark(entry))]
        try:
            self.transactions.client.transact_write_items(TransactItems=actions)
        except ClientError as error:
            return self._refused(entries, error)
        except ParamValidationError as error:
            self._not_possible(entries, describe(error))
        except BotoCoreError as error:
            self.ended.append(describe(error))
            self._hold(entries, self.ended[0])
        else:
            self._all(entries, Done())
        return [], []

    def _refused(self, entries: list[Entry], error: ClientError) -> tuple[list[Entry], list[Entry]]:
        code = error.response["Error"]["Code"]
        if code == "TransactionCanceledException":
            return self._cancelled(entries, error.response.get("CancellationReasons", ()))
        if passes(code):
            return [], entries
        if code == "ValidationException":
            self._not_possible(entries, describe(error))
        else:
            self._hold(entries, describe(error))
        return [], []

    def _not_possible(self, entries: list[Entry], reason: str) -> None:
        """Too large together, several operations on one item, or one that is no request at all: find out whose."""
        if len(entries) == 1:
            self._all(entries, invalid(reason))
            return
        middle = len(entries) // 2
        self.pack(entries[:middle])
        self.pack(entries[middle:])

    def _cancelled(self, entries: list[Entry], reasons: Sequence[Mapping[str, Any]]) -> tuple[list[Entry], list[Entry]]:
        innocent: list[Entry] = []
        in_the_way: list[Entry] = []
        left = iter(reasons)
        for entry in entries:
            own = [next(left, {}) for _ in range(len(entry.actions) + 1)]
            codes = {reason.get("Code", _NONE) for reason in own} - {_NONE}
            if not codes:
                innocent.append(entry)
            elif outcome := self._outcome(entry, own):
                self.outcomes[entry.position] = outcome
            else:
                in_the_way.append(entry)
        # Without a culprit, going again at once could go on for ever.
        return ([], entries) if len(innocent) == len(entries) else (innocent, in_the_way)

    def _outcome(self, entry: Entry, reasons: Sequence[Mapping[str, Any]]) -> Outcome | None:
        """Return what the reasons mean for the message; None if the same may succeed soon."""
        *of_actions, of_mark = reasons
        if of_mark.get("Code") == _UNMET:
            return (
                _judged(entry.delivery, of_mark["Item"], self.work.now())
                if "Item" in of_mark
                else Held("its mark cannot be read")
            )
        for reason, action in zip(of_actions, entry.actions, strict=True):
            code = reason.get("Code", _NONE)
            [(kind, operation)] = action.items()
            about = f"{kind} of {operation['TableName']}: {clean(reason.get('Message') or code)}"
            if code == _UNMET:
                return Failed(f"the condition of the transaction's {about}")
            if code != _NONE and not passes(code):
                return invalid(about)
        return None

    def _mark(self, entry: Entry) -> dict[str, Any]:
        marks, now = self.transactions.marks, self.work.now()
        item = {
            "id": entry.mark.key["id"]["S"],
            "state": "done",
            "digest": entry.delivery.digest,
            "expiration": int(now) + marks.remember_seconds,
        }
        put = {
            "TableName": marks.table,
            "Item": to_attributes(item),
            # The table forgets in its own time; what has expired counts no more, nor does a claim that has lapsed.
            "ConditionExpression": (
                "attribute_not_exists(#id) OR #expiration <= :now OR (#state = :claimed AND #until <= :lapsed)"
            ),
            "ExpressionAttributeNames": {
                "#id": "id",
                "#expiration": "expiration",
                "#state": "state",
                "#until": "claimed_until",
            },
            "ExpressionAttributeValues": {
                ":now": {"N": str(int(now))},
                ":claimed": _CLAIMED,
                ":lapsed": {"N": str(int(now - CLOCK_MARGIN_SECONDS))},
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": put}

    def _hold(self, entries: Sequence[Entry], reason: str) -> None:
        self.outcomes.update((entry.position, away(reason, self.work)) for entry in entries)

    def _all(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        self.outcomes.update((entry.position, outcome) for entry in entries)
