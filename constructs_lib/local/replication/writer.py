"""Writing to a replica without treading on writes of the application that were not seen yet.

A replica's stream tells of a write a moment after it happened. A write of ours in that moment would replace it unseen;
so each of ours asks for the item to be what the stream said last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.local.replication.machine import Item, Key
from constructs_lib.local.replication.stream import attributes_of

# An expression has at most 300 operators (DynamoDB quotas); `AND` counts.
_MOST_COMPARISONS = 140


@dataclass(frozen=True, slots=True)
class Written:
    """It was done. *changed* says whether it made a difference, and thus a record in the stream."""

    changed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The item is not what was believed, but *actual* (None: there is none)."""

    actual: Item | None


class ReplicaWriter:
    """Writes to *table* over a `dynamodb` *client*."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        # Attributes any item has had: the ones an unseen write may have added.
        self._names: set[str] = set()

    def write(self, key: Key, item: Item | None, *, believed: Item | None) -> Written | Refused:
        """Make the item with *key* into *item* (None: delete it), if it is what is *believed*.

        Raises:
            ClientError: If the table refuses for another reason.
            BotoCoreError: If it does not answer; whether it was done is not known then.
        """
        try:
            before = self._call(key, item, self._condition(key, believed, item))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            actual: Item | None = error.response.get("Item") or None  # type: ignore[assignment]  # told on demand
            if actual != believed:
                return Refused(actual)
            # Equal for us, not for the condition: a value it cannot compare. Then it has to do without.
            before = self._call(key, item, {})
        return Written(changed=before != item)

    def _call(self, key: Key, item: Item | None, condition: Mapping[str, Any]) -> Item | None:
        options = {"TableName": self._table, "ReturnValues": "ALL_OLD", **condition}
        if item is None:
            answer = self._client.delete_item(Key=attributes_of(key), **options)
        else:
            answer = self._client.put_item(Item=item, **options)
        return answer.get("Attributes") or None

    def _condition(self, key: Key, believed: Item | None, item: Item | None) -> dict[str, Any]:
        self._names.update(believed or (), item or ())
        present = dict(believed or {})
        absent = sorted(self._names - present.keys())[: max(0, _MOST_COMPARISONS - len(present))]
        if believed is None:
            # Without its key there is no item, and no attribute to ask for.
            absent = [key[0][0]]
        names = [*present, *absent][:_MOST_COMPARISONS]
        tests = [
            f"#n{n} = :v{n}" if name in present else f"attribute_not_exists(#n{n})" for n, name in enumerate(names)
        ]
        condition: dict[str, Any] = {
            "ConditionExpression": " AND ".join(tests),
            "ExpressionAttributeNames": {f"#n{n}": name for n, name in enumerate(names)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        values = {f":v{n}": present[name] for n, name in enumerate(names) if name in present}
        return condition | ({"ExpressionAttributeValues": values} if values else {})
