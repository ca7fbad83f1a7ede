"""What notify_slack needs to know."""

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
        tokens_secret: Secret with the bot tokens: `{"tenants": {"<tenant>": {"bot_token": "xoxb-..."}}}`.
        api_url: Slack's Web API. Default: the real one.
        timeout_seconds: The longest one call to Slack may take. Default: 4; with at most three calls in a step and
            `PATIENCE_SECONDS` before the last, a record takes well below the function's 30 seconds.
    """

    region: str
    alerts_table: str
    tokens_secret: str
    api_url: str
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
            tokens_secret=required(environment, "SLACK_TOKENS_SECRET"),
            api_url=environment.get("SLACK_API_URL", "https://slack.com/api"),
            timeout_seconds=float(environment.get("PROVIDER_TIMEOUT_SECONDS", "4")),
        )
