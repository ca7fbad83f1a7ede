"""Conditional writes of single items, 25 to a call, each succeeding or failing alone: PartiQL in batches.

BatchWriteItem knows no conditions, TransactWriteItems costs twice and fails as a whole; BatchExecuteStatement is the
third way. An answer of HTTP 200 says nothing about its statements: each has an error of its own, or none. A statement
that is alone goes by ExecuteStatement, which takes the same rights and is an ordinary write of one item; its error is
the call's.

Values travel as parameters, never in the text; names of attributes and tables are in the text, in quotes.

Source: Amazon DynamoDB API reference, `BatchExecuteStatement`, `BatchStatementError`, `ExecuteStatement`; developer
guide, "PartiQL statements". What the statements of a batch cost is told nowhere; they are counted here like the same single writes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.runtime.attribute_values import UnsupportedValueError
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.descriptions import clean, describe
from constructs_lib.runtime.patience import Patience
from constructs_lib.runtime.side_by_side import SideBySide

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

MOST_STATEMENTS = 25
_LONGEST_TEXT = 8_192

# Nothing has happened, and the same may succeed soon. Codes of statements come without, those of calls with "Exception".
_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ReplicatedWriteConflict",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingError",
        "TransactionConflict",
        "TransactionInProgress",
    }
)
_INVALID = frozenset({"ItemCollectionSizeLimitExceeded", "Validation", "ValidationError"})


class Fate(Enum):
    """What became of a statement."""

    WRITTEN = "written"
    DUPLICATE = "an item of that key is there"
    UNMET = "a condition does not hold, or the item is not there"
    INVALID = "it can never succeed as it is"
    AWAY = "the store did not do it, or did not say whether it has"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a statement.

    Args:
        fate: What a program acts on.
        reason: For people, where it was not written.
    """

    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A write of one item; made by `insert`, `update` or `delete`.

    Args:
        text: With a question mark for each value.
        parameters: The values, as attribute values.
    """

    text: str
    parameters: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST_TEXT:
            raise UnsupportedValueError(
                f"the names of the item's attributes make a statement of {len(self.text)} characters, "
                f"DynamoDB takes {_LONGEST_TEXT}; put some attributes into a map"
            )

    @property
    def request(self) -> dict[str, Any]:
        """As the DynamoDB API takes it."""
        return {"Statement": self.text, "Parameters": list(self.parameters)}


def insert(table: str, item: Mapping[str, Any]) -> Statement:
    """Store an item, if there is none of its key; else its fate is DUPLICATE.

    Args:
        table: Name of the table.
        item: All attributes, as attribute values.

    Raises:
        UnsupportedValueError: If a statement cannot say it.
    """
    fields = ", ".join(f"'{_safe(name)}': ?" for name in item)
    return Statement(f'INSERT INTO "{_safe(table)}" VALUE {{{fields}}}', tuple(item.values()))


def update(
    table: str,
    key: Mapping[str, Any],
    *,
    put: Mapping[str, Any],
    remove: Sequence[str] = (),
    where: Mapping[str, Any],
) -> Statement:
    """Change an item that is there, if the attributes named by *where* are as they say; else its fate is UNMET.

    Args:
        table: Name of the table.
        key: The item's key, as attribute values.
        put: Attributes to set.
        remove: Names of attributes to remove.
        where: Attributes by name; None for one that must be missing.

    Raises:
        UnsupportedValueError: If a statement cannot say it.
    """
    changes = [f'SET "{_safe(name)}" = ?' for name in put] + [f'REMOVE "{_safe(name)}"' for name in remove]
    condition, parameters = _condition(key, where)
    return Statement(f'UPDATE "{_safe(table)}" {" ".join(changes)} WHERE {condition}', (*put.values(), *parameters))


def delete(table: str, key: Mapping[str, Any], *, where: Mapping[str, Any]) -> Statement:
    """Remove an item, if the attributes named by *where* are as they say; else its fate is UNMET.

    An item that is not there may count as removed or as UNMET.
    """
    condition, parameters = _condition(key, where)
    return Statement(f'DELETE FROM "{_safe(table)}" WHERE {condition}', parameters)  # noqa: S608 - names are safe, values are parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatements:
    """Carries out statements in batches, some at the same time. For one caller at a time.

    Args:
        client: DynamoDB client.
        sleep: Waits so many seconds.
    """

    client: "DynamoDBClient"
    sleep: Callable[[float], None] = time.sleep
    threads: SideBySide = field(default_factory=SideBySide)

    def run(self, statements: Sequence[Statement], deadline: Deadline) -> list[Answer]:
        """Carry out *statements*, of which no two may name one item: their order is not kept.

        What is throttled or in conflict is tried again for up to two seconds and as the deadline allows; what the
        others of its batch meet does not matter to a statement.

        Returns:
            What became of each, in the order of *statements*.
        """
        patience = Patience(deadline, self.sleep)
        answers: dict[int, Answer] = {}
        left = list(range(len(statements)))
        made = 0
        while left:
            tried = self._once([statements[index] for index in left])
            answers |= {index: answer for index, (answer, _) in zip(left, tried, strict=True)}
            left = [index for index, (_, again) in zip(left, tried, strict=True) if again]
            made += 1
            if left and not patience.allows(made):
                break
        return [answers[index] for index in range(len(statements))]

    def _once(self, statements: Sequence[Statement]) -> list[tuple[Answer, bool]]:
        chunks = [statements[start : start + MOST_STATEMENTS] for start in range(0, len(statements), MOST_STATEMENTS)]
        call = partial(self._call, unreachable=[])
        return [answer for chunk in self.threads.map(call, chunks) for answer in chunk]

    def _call(self, chunk: Sequence[Statement], unreachable: list[str]) -> list[tuple[Answer, bool]]:
        """Return each statement's answer, and whether trying again may help.

        Args:
            chunk: To be carried out in one call.
            unreachable: Why the store was not reached by a call before this one; then none is made.
        """
        if unreachable:
            return [(Answer(Fate.AWAY, unreachable[0]), False)] * len(chunk)
        try:
            responses = self._responses([statement.request for statement in chunk])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if len(chunk) > 1 and _short(code) in _INVALID:
                # One statement that is no request at all must not fail the others.
                middle = len(chunk) // 2
                return self._call(chunk[:middle], unreachable) + self._call(chunk[middle:], unreachable)
            return [_read(code, error.response["Error"].get("Message", ""))] * len(chunk)
        except BotoCoreError as error:
            # The client has tried twice; whether it was done is not known. Waiting for each chunk of a large batch would
            # outlast the invocation.
            unreachable.append(describe(error))
            return [(Answer(Fate.AWAY, unreachable[0]), False)] * len(chunk)
        return [_read_response(response) for response in responses]

    def _responses(self, requests: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        if len(requests) > 1:
            return self.client.batch_execute_statement(Statements=requests)["Responses"]
        self.client.execute_statement(**requests[0])
        return [{}]


def passes(code: str) -> bool:
    """Return whether what failed with this code of DynamoDB may succeed when it is tried again soon."""
    return _short(code) in _PASSING


def _read_response(response: Mapping[str, Any]) -> tuple[Answer, bool]:
    if error := response.get("Error"):
        return _read(error.get("Code", ""), error.get("Message", ""))
    return Answer(Fate.WRITTEN), False


def _read(code: str, message: str) -> tuple[Answer, bool]:
    reason = clean(f"{code}: {message}" if message else code)
    match _short(code):
        case "DuplicateItem":
            return Answer(Fate.DUPLICATE, reason), False
        case "ConditionalCheckFailed":
            return Answer(Fate.UNMET, reason), False
        case short if short in _INVALID:
            return Answer(Fate.INVALID, reason), False
    return Answer(Fate.AWAY, reason), passes(code)


def _short(code: str) -> str:
    return code.removesuffix("Exception")


def _condition(key: Mapping[str, Any], where: Mapping[str, Any]) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    wanted = {**key, **where}
    terms = [f'"{_safe(name)}" = ?' if value else f'"{_safe(name)}" IS MISSING' for name, value in wanted.items()]
    return " AND ".join(terms), tuple(value for value in wanted.values() if value)


def _safe(name: str) -> str:
    """Return *name* if it stays inside its quotes."""
    if not name or any(character in "'\"\\" or not character.isprintable() for character in name):
        raise UnsupportedValueError(f"{clean(repr(name))} cannot be the name of an attribute in a PartiQL statement")
    return name
