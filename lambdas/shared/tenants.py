"""Tenants: whose endpoint it is, and where their alerts go."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.attribute_values import from_attributes
from lambdas.shared.tenant import Tenant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Tenant", "TenantRepository"]


class TenantRepository:
    """The tenants table: `endpoint#<endpoint>` names the tenant, `tenant#<tenant>` describes it.

    Args:
        client: DynamoDB client of this region.
        table: Name of the table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def tenant_of_endpoint(self, endpoint: str) -> str | None:
        """Id of the tenant that owns *endpoint*; None when nobody does."""
        item = self._get(f"endpoint#{endpoint}")
        return None if item is None else str(item["tenant"])

    def tenant(self, tenant: str) -> Tenant | None:
        """The tenant, or None when there is none of that id."""
        item = self._get(f"tenant#{tenant}")
        if item is None:
            return None
        return Tenant(
            tenant=str(item["tenant"]),
            name=str(item["name"]),
            provider=str(item["provider"]),
            channel=str(item["channel"]),
            escalates=bool(item.get("escalates", False)),
        )

    def _get(self, key: str) -> Mapping[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key={"id": {"S": key}})
        item = answer.get("Item")
        return None if item is None else from_attributes(item)
