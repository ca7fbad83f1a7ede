"""The alerts table: key `alert_id`, sort key `region`, one row per region.

Beside the rows it holds two notes per series of alerts and region (`series#<id>`): the generation to look at first, and
when all was last well. The first is a hint that may be old or missing; whoever reads it goes on from there to the
generation that is open. The second makes an all-clear count that arrives before the trouble it ends.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.attribute_values import from_attributes, to_attribute
from lambdas.shared import timestamps
from lambdas.shared.alert import Action, Alert, AlertRow, Delivery, Link, RevisionConflictError, Summary, merge

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["KEPT_FOR", "AlertRepository", "RevisionConflictError"]

# Alerts are of use while somebody may still ask about them; DynamoDB removes them some time after.
KEPT_FOR = timedelta(days=90)


class AlertRepository:
    """Reads every region's rows, writes only this region's.

    Args:
        client: DynamoDB client of this region.
        table: Name of the table.
        region: The region whose rows this repository may write.
    """

    def __init__(self, client: "DynamoDBClient", table: str, region: str) -> None:
        self._client = client
        self._table = table
        self.region = region

    def rows(self, alert_id: str) -> list[AlertRow]:
        """The rows of all regions, as far as they have replicated; this region's own is the latest."""
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="alert_id = :id",
            ExpressionAttributeValues={":id": {"S": alert_id}},
            ConsistentRead=True,
        )
        return [_row(from_attributes(item)) for item in answer["Items"]]

    def load(self, alert_id: str) -> Alert | None:
        """The merged alert, or None when no event of it is known here."""
        return merge(self.rows(alert_id))

    def save_facts(self, row: AlertRow) -> AlertRow:
        """Write everything of *row* but its delivery, if nobody did since it was read; answer with the new revision.

        Raises:
            RevisionConflictError: Somebody did.
            ValueError: It is another region's row.
        """
        if row.region != self.region:
            raise ValueError(f"the row of {row.region} may not be written from {self.region}")
        values = _facts(row) | {"revision": row.revision + 1}
        names = {f"#{index}": name for index, name in enumerate(values)}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(row.alert_id, row.region),
                UpdateExpression="SET " + ", ".join(f"{alias} = :v{alias[1:]}" for alias in names),
                ConditionExpression="attribute_not_exists(revision)" if row.revision == 0 else "revision = :read",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={
                    f":v{alias[1:]}": to_attribute(values[name]) for alias, name in names.items()
                }
                | ({} if row.revision == 0 else {":read": to_attribute(row.revision)}),
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise RevisionConflictError(row.alert_id) from error
        return replace(row, revision=row.revision + 1)

    def save_delivery(self, alert_id: str, delivery: Delivery) -> None:
        """Write what this region's notifier knows, and nothing else of the row."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(alert_id, self.region),
            # A region that only delivers has no facts to give its row an end; a later fact moves it.
            UpdateExpression="SET delivery = :delivery, expires_at = if_not_exists(expires_at, :expiry)",
            ExpressionAttributeValues={
                ":expiry": to_attribute(_expiry(delivery.attempted_at)),
                ":delivery": to_attribute(
                    asdict(delivery) | {"pages": {str(level): at for level, at in delivery.pages.items()}}
                ),
            },
        )

    def generation_hint(self, tenant: str, fingerprint: str) -> int:
        """The highest generation any region remembers; 1 when none does."""
        items = self._series_items(tenant, fingerprint, consistent=False)
        return max((int(item["generation"]["N"]) for item in items if "generation" in item), default=1)

    def remember_generation(self, row: AlertRow) -> None:
        """Leave the hint that *row*'s generation is the one to look at first."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(_series(row.tenant, row.fingerprint), self.region),
            UpdateExpression="SET generation = :generation, expires_at = :expiry",
            ExpressionAttributeValues={
                ":generation": to_attribute(row.generation),
                ":expiry": to_attribute(_expiry(row.last_seen)),
            },
        )

    def recovered_at(self, tenant: str, fingerprint: str) -> str | None:
        """When, by the sender's clock, all was last well, as far as any region knows."""
        items = self._series_items(tenant, fingerprint, consistent=True)
        return max((item["recovered_at"]["S"] for item in items if "recovered_at" in item), default=None)

    def remember_recovery(self, tenant: str, fingerprint: str, *, recovered_at: str) -> None:
        """Note that all was well at *recovered_at* by the sender's clock; an older note changes nothing."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=_key(_series(tenant, fingerprint), self.region),
                UpdateExpression="SET recovered_at = :at, expires_at = :expiry",
                ConditionExpression="attribute_not_exists(recovered_at) OR recovered_at < :at",
                ExpressionAttributeValues={
                    ":at": to_attribute(recovered_at),
                    ":expiry": to_attribute(_expiry(recovered_at)),
                },
            )

    def _series_items(self, tenant: str, fingerprint: str, *, consistent: bool) -> list[dict[str, Any]]:
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="alert_id = :id",
            ExpressionAttributeValues={":id": {"S": _series(tenant, fingerprint)}},
            ConsistentRead=consistent,
        )
        return list(answer["Items"])


def _series(tenant: str, fingerprint: str) -> str:
    return "series#" + hashlib.sha256(f"{tenant}\n{fingerprint}".encode()).hexdigest()[:32]


def _key(alert_id: str, region: str) -> dict[str, Any]:
    return {"alert_id": {"S": alert_id}, "region": {"S": region}}


def _expiry(last_seen: str) -> int:
    return int((timestamps.parse(last_seen) + KEPT_FOR).timestamp())


def _facts(row: AlertRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "fingerprint": row.fingerprint,
        "generation": row.generation,
        "accepted_at": row.accepted_at,
        "last_seen": row.last_seen,
        "summary": None if row.summary is None else asdict(row.summary),
        "count": row.count,
        "event_ids": list(row.event_ids),
        "actions": [asdict(action) for action in row.actions],
        "closed_at": row.closed_at,
        "problem_at": row.problem_at,
        "correlation_id": row.correlation_id,
        "expires_at": _expiry(row.last_seen),
    }


def _row(item: Mapping[str, Any]) -> AlertRow:
    return AlertRow(
        alert_id=item["alert_id"],
        region=item["region"],
        tenant=item.get("tenant", ""),
        fingerprint=item.get("fingerprint", ""),
        generation=int(item.get("generation", 1)),
        accepted_at=item.get("accepted_at"),
        last_seen=item.get("last_seen", ""),
        summary=_summary(item.get("summary")),
        count=int(item.get("count", 0)),
        event_ids=tuple(item.get("event_ids", ())),
        actions=tuple(Action(**action) for action in item.get("actions", ())),
        closed_at=item.get("closed_at"),
        problem_at=item.get("problem_at"),
        delivery=_delivery(item.get("delivery")),
        correlation_id=item.get("correlation_id", ""),
        revision=int(item.get("revision", 0)),
    )


def _summary(stored: Mapping[str, Any] | None) -> Summary | None:
    if stored is None:
        return None
    return Summary(**{**stored, "links": tuple(Link(**link) for link in stored["links"])})


def _delivery(stored: Mapping[str, Any] | None) -> Delivery | None:
    if stored is None:
        return None
    pages = {int(level): at for level, at in stored["pages"].items()}
    return Delivery(**{**stored, "version": int(stored["version"]), "pages": pages})
