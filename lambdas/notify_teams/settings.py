"""What notify_teams needs to know."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.shared.environment import required


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The function's environment.

    Attributes:
        region: Where it runs.
        alerts_table: Name of the alerts table.
        credentials_secret: Secret of the bot: `{"app_id": ..., "app_password": ..., "directory": ...}`; the directory
            is the Entra tenant of a single-tenant bot, or `botframework.com` for a multi-tenant one.
        login_url: Where access tokens are issued. Default: Microsoft's.
        service_url: The connector of Teams. Default: the one for all regions.
        timeout_seconds: The longest one call may take. Default: 4; with at most four calls in a step (a renewed token
            and a second try) and `PATIENCE_SECONDS` before the last, a record takes below the function's 30 seconds.
    """

    region: str
    alerts_table: str
    credentials_secret: str
    login_url: str
    service_url: str
    timeout_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            MissingSettingError: One is missing.
        """
        return cls(
            region=required(environment, "AWS_REGION"),
            alerts_table=required(environment, "ALERTS_TABLE"),
            credentials_secret=required(environment, "TEAMS_CREDENTIALS_SECRET"),
            login_url=environment.get("TEAMS_LOGIN_URL", "https://login.microsoftonline.com"),
            service_url=environment.get("TEAMS_SERVICE_URL", "https://smba.trafficmanager.net/teams"),
            timeout_seconds=float(environment.get("PROVIDER_TIMEOUT_SECONDS", "4")),
        )
