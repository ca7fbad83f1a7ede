"""What process_event needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.shared.environment import required
from lambdas.shared.stream_names import streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one environment.

    Attributes:
        region: Where this function runs.
        tenants_table: Name of the tenants table.
        alerts_table: Name of the alerts table.
        streams: Stream name by provider.
        escalation_arn: State machine that escalates alerts.
    """

    region: str
    tenants_table: str
    alerts_table: str
    streams: Mapping[str, str]
    escalation_arn: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read AWS_REGION, TENANTS_TABLE, ALERTS_TABLE, STREAMS and ESCALATION_STATE_MACHINE_ARN.

        Raises:
            MissingSettingError: One is missing or makes no sense.
        """
        return cls(
            region=required(environment, "AWS_REGION"),
            tenants_table=required(environment, "TENANTS_TABLE"),
            alerts_table=required(environment, "ALERTS_TABLE"),
            streams=streams(environment),
            escalation_arn=required(environment, "ESCALATION_STATE_MACHINE_ARN"),
        )
