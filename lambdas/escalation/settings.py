"""What escalation needs to know."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.shared.environment import required
from lambdas.shared.stream_names import streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The function's environment.

    Attributes:
        region: Where it runs.
        alerts_table: Name of the alerts table.
        tenants_table: Name of the tenants table.
        streams: Stream name by provider.
        service: Name of the function's code.
        namespace: CloudWatch namespace of the metrics.
    """

    region: str
    alerts_table: str
    tenants_table: str
    streams: Mapping[str, str]
    service: str
    namespace: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            MissingSettingError: One is missing or makes no sense.
        """
        return cls(
            region=required(environment, "AWS_REGION"),
            alerts_table=required(environment, "ALERTS_TABLE"),
            tenants_table=required(environment, "TENANTS_TABLE"),
            streams=streams(environment),
            service=required(environment, "POWERTOOLS_SERVICE_NAME"),
            namespace=required(environment, "POWERTOOLS_METRICS_NAMESPACE"),
        )
