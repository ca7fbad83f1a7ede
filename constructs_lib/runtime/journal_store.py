"""The journal of a stream in DynamoDB.

Items of the partition `shard#<shard id>`:

* `page#<name of the first record>`: `settled` (digests, one after the other), `through`, `begun` (digests), `counts`
  (by digest in hexadecimal: crashes, failures, aways);
* `crashed`: `keys` (digests).

Pages expire after eight days, one more than Lambda keeps any record of a stream in play; the note `crashed` counts for
three hours, whenever DynamoDB gets round to deleting it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.journal import DIGEST_BYTES, Counts, Page, Shard

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_KEPT_SECONDS = 8 * 24 * 3600
_CRASHED_SECONDS = 3 * 3600
_PAGE = "page#"
_CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDbJournal:
    """A journal in the state table of a dependency.

    Args:
        client: DynamoDB client.
        table: Name of the table.
        now: Clock, seconds since 1970. Default: the system's.
    """

    client: "DynamoDBClient"
    table: str
    now: Callable[[], float] = time.time

    def read(self, shard: str) -> Shard:
        """Return what is there: a strongly consistent answer."""
        pages: list[Page] = []
        crashed: frozenset[bytes] = frozenset()
        more: dict[str, Any] = {}
        while True:
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :shard",
                ExpressionAttributeValues={":shard": {"S": _partition(shard)}},
                ConsistentRead=True,
                **more,
            )
            for item in answer["Items"]:
                if item["sk"]["S"] == _CRASHED:
                    counts = float(item["expires"]["N"]) > self.now()
                    crashed = _digests(item["keys"]["B"]) if counts else frozenset()
                else:
                    pages.append(_page(item))
            if "LastEvaluatedKey" not in answer:
                return Shard(pages=pages, crashed=crashed)
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def write(self, shard: str, page: Page) -> None:
        """Store a page in place of the one with the same first record."""
        self._put(
            shard,
            _PAGE + page.first,
            {
                "settled": {"B": b"".join(sorted(page.settled))},
                "through": {"S": page.through},
                "begun": {"B": b"".join(page.begun)},
                "counts": {
                    "M": {
                        each.hex(): {"L": [{"N": str(n)} for n in (counts.crashes, counts.failures, counts.aways)]}
                        for each, counts in page.counts.items()
                    }
                },
            },
        )

    def erase(self, shard: str, first: str) -> None:
        """Remove the page with this first record, if there is one."""
        self.client.delete_item(TableName=self.table, Key=_key(shard, _PAGE + first))

    def write_crashed(self, shard: str, keys: frozenset[bytes]) -> None:
        """Note for some hours the keys whose records ended the function; none removes the note."""
        if keys:
            self._put(shard, _CRASHED, {"keys": {"B": b"".join(sorted(keys))}}, kept_seconds=_CRASHED_SECONDS)
        else:
            self.client.delete_item(TableName=self.table, Key=_key(shard, _CRASHED))

    def _put(
        self, shard: str, name: str, attributes: Mapping[str, Any], *, kept_seconds: float = _KEPT_SECONDS
    ) -> None:
        expires = {"N": str(int(self.now() + kept_seconds))}
        self.client.put_item(TableName=self.table, Item={**_key(shard, name), **attributes, "expires": expires})


def _key(shard: str, name: str) -> dict[str, Any]:
    return {"pk": {"S": _partition(shard)}, "sk": {"S": name}}


def _partition(shard: str) -> str:
    return f"shard#{shard}"


def _page(item: Mapping[str, Any]) -> Page:
    return Page(
        first=item["sk"]["S"].removeprefix(_PAGE),
        settled=_digests(item["settled"]["B"]),
        through=item["through"]["S"],
        begun=tuple(_split(item["begun"]["B"])),
        counts={
            bytes.fromhex(each): Counts(*(int(number["N"]) for number in counts["L"]))
            for each, counts in item["counts"]["M"].items()
        },
    )


def _digests(packed: bytes) -> frozenset[bytes]:
    return frozenset(_split(packed))


def _split(packed: bytes) -> list[bytes]:
    return [packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES)]
