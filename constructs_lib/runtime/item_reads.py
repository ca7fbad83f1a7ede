"""Reads of many items by their keys, 100 to a call."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.runtime.attribute_values import UnsupportedValueError
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.partiql import passes
from constructs_lib.runtime.patience import Patience

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

MOST_KEYS = 100

# What a key is made of, so that two ways to say one number are one key.
Address = tuple[str, tuple[tuple[str, str, object], ...]]


@dataclass(frozen=True, slots=True)
class Unread:
    """Whether there is such an item is not known.

    Args:
        reason: In words for the log.
        invalid: Whether there can be none: the key does not fit the table.
    """

    reason: str
    invalid: bool = False


Found = dict[Address, Mapping[str, Any] | Unread | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item to be read.

    Args:
        table: Name of the table.
        key: The whole key, as attribute values.

    Raises:
        UnsupportedValueError: If no table is called so, or one of the values can be in no key.
    """

    table: str
    key: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.table, str) or not self.table:
            raise UnsupportedValueError("the table of an item is named by a text that is not empty")
        for name, value in self.key.items():
            if not value.keys() <= {"S", "N", "B"}:
                raise UnsupportedValueError(f"{name}: a key is made of text, numbers and bytes")

    @property
    def address(self) -> Address:
        """Equal for equal keys."""
        return self.table, tuple(sorted(_part(name, value) for name, value in self.key.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReads:
    """Reads items in batches.

    Args:
        client: DynamoDB client.
        sleep: Waits so many seconds.
    """

    client: "DynamoDBClient"
    sleep: Callable[[float], None] = time.sleep

    def items(self, wanted: Iterable[Wanted], deadline: Deadline, *, consistent: bool) -> Found:
        """Read items whole; what a call leaves out is asked for again, as long as the deadline allows.

        Args:
            wanted: What to read; the same item may be asked for twice.
            deadline: Of this invocation.
            consistent: Whether to see every write that has ended before; costs twice as much.

        Returns:
            The attributes by address; None for an item that is not there.
        """
        found: Found = {}
        distinct = list({one.address: one for one in wanted}.values())
        for start in range(0, len(distinct), MOST_KEYS):
            chunk = distinct[start : start + MOST_KEYS]
            try:
                found |= self._read(chunk, Patience(deadline, self.sleep), consistent)
            except BotoCoreError as error:
                # The client has tried twice; waiting for each chunk of a large batch would outlast the invocation.
                return found | {one.address: Unread(describe(error)) for one in distinct[start:]}
        return found

    def _read(self, wanted: Sequence[Wanted], patience: Patience, consistent: bool) -> Found:
        found: Found = {}
        made = 0
        left = list(wanted)
        while left:
            reason = "the store left it out"
            try:
                answer = self.client.batch_get_item(RequestItems=_request(left, consistent))
            except ClientError as error:
                code, reason = error.response["Error"]["Code"], describe(error)
                if code == "ValidationException" and len(left) > 1:
                    # One key that does not fit its table must not fail the others.
                    middle = len(left) // 2
                    halves = left[:middle], left[middle:]
                    return found | {k: v for half in halves for k, v in self._read(half, patience, consistent).items()}
                if not passes(code):
                    return found | {one.address: Unread(reason, code == "ValidationException") for one in left}
            else:
                unread = {one.address for one in _unprocessed(answer)}
                items = _by_address(left, answer["Responses"])
                found |= {one.address: items.get(one.address) for one in left if one.address not in unread}
                left = [one for one in left if one.address in unread]
            made += 1
            if left and not patience.allows(made):
                return found | {one.address: Unread(reason) for one in left}
        return found


def _request(wanted: Iterable[Wanted], consistent: bool) -> Any:
    tables: dict[str, dict[str, Any]] = {}
    for one in wanted:
        tables.setdefault(one.table, {"Keys": [], "ConsistentRead": consistent})["Keys"].append(one.key)
    return tables


def _by_address(wanted: Iterable[Wanted], responses: Mapping[str, Any]) -> dict[Address, Mapping[str, Any]]:
    names = {one.table: tuple(one.key) for one in wanted}
    return {
        Wanted(table, {name: item[name] for name in names[table]}).address: item
        for table, items in responses.items()
        for item in items
    }


def _unprocessed(answer: Mapping[str, Any]) -> Iterator[Wanted]:
    for table, request in answer.get("UnprocessedKeys", {}).items():
        for key in request["Keys"]:
            yield Wanted(table, key)


def _part(name: str, value: Mapping[str, Any]) -> tuple[str, str, object]:
    [(tag, inner)] = value.items()
    return name, tag, Decimal(inner) if tag == "N" else inner
