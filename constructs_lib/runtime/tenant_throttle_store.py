"""The token buckets of tenants in DynamoDB: one small item per tenant and limit, one conditional write per lease.

A bucket is one number: when it will be full again if nothing more is taken (the theoretical arrival time of the generic
cell rate algorithm, ITU-T I.371). Taking a lease moves it by the time that the bucket takes to gain as much; past times
count as now. There is nothing to read first, nothing to fill up, and no item for who has taken nothing lately.
"""

import math
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.runtime.observability import Watch
from constructs_lib.runtime.tenant_throttle_leases import Lease, RateLimit, StoreAwayError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# A sender waits for this, and there is an answer without it. One try only: the second of two could pay twice.
BRIEFLY = Config(connect_timeout=0.5, read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 1})

# One request in five seconds finds out whether the table is back.
_PAUSE_SECONDS = 5.0
# Each lost try means that another environment took a lease in between, or that the guess what the item says was wrong.
_TRIES = 5
# When the bucket is full its item says what no item says; time to live deletes it some time after that.
_KEPT_SECONDS = 3600
# Times are written in microseconds.
_ROUNDING = 2e-6


class DynamoLeases:
    """The buckets of all tenants in one region.

    Args:
        client: Low-level DynamoDB client with the time limits of `BRIEFLY`.
        table: Table with the partition key `id` and the time-to-live attribute `expires`.
        watch: Hears of it when the table does not answer.
    """

    def __init__(self, client: "DynamoDBClient", table: str, *, watch: Watch) -> None:
        self._client = client
        self._table = table
        self._watch = watch
        self._away_until = 0.0

    def lease(self, tenant: str, limit: RateLimit, *, seen: float | None, now: float) -> Lease:
        """Take a lease for *tenant* if its bucket holds one.

        Raises:
            StoreAwayError: The table does not answer, or did not within the last five seconds.
        """
        if now < self._away_until:
            raise StoreAwayError
        for _ in range(_TRIES):
            until = now if seen is None or seen < now else seen
            try:
                self._take(tenant, limit, seen=seen, now=now)
            except BotoCoreError as error:
                raise self._away(error, now) from error
            except ClientError as error:
                refusal: Any = error.response
                if refusal["Error"].get("Code") != "ConditionalCheckFailedException":
                    raise self._away(error, now) from error
                # The item as it is comes with the refusal, for free.
                item = refusal.get("Item", {})
                seen = float(item["taken_until"]["N"]) if "taken_until" in item else None
                if seen is not None and limit.wait(seen, now):
                    return Lease(granted=False, taken_until=seen)
            else:
                return Lease(granted=True, taken_until=until + limit.lease_seconds)
        raise StoreAwayError

    def _take(self, tenant: str, limit: RateLimit, *, seen: float | None, now: float) -> None:
        """One conditional write, by what the item said last: its bucket is full, or not."""
        expires = math.ceil(now + limit.burst / limit.per_second) + _KEPT_SECONDS
        values = {":lease": limit.lease_seconds, ":now": now}
        if seen is None or seen < now:
            change = "taken_until = :full_until"
            condition = "attribute_not_exists(taken_until) OR taken_until < :now"
            values[":full_until"] = values.pop(":lease") + now
        else:
            change = "taken_until = taken_until + :lease"
            condition = "taken_until >= :now AND taken_until <= :highest"
            values[":highest"] = now + limit.burst / limit.per_second - limit.lease_seconds + _ROUNDING
        self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": f"{limit.name}#{tenant}"}},
            UpdateExpression=f"SET {change}, expires = :expires",
            ConditionExpression=condition,
            ExpressionAttributeValues={
                ":expires": {"N": str(expires)},
                **{name: {"N": f"{value:.6f}"} for name, value in values.items()},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _away(self, error: Exception, now: float) -> StoreAwayError:
        self._away_until = now + _PAUSE_SECONDS
        self._watch.warning(
            "the table of the tenants' rates does not answer; this environment goes by what it sees itself",
            error=type(error).__name__,
        )
        self._watch.count("StoreErrors")
        self._watch.flush()
        return StoreAwayError(str(error))
