"""What interactions needs to know."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lambdas.shared.environment import required


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The function's environment.

    Attributes:
        signing_secret: Secret whose text is the Slack app's signing secret.
        actions_queue_url: Queue of what people asked for.
    """

    signing_secret: str
    actions_queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            MissingSettingError: One is missing.
        """
        return cls(
            signing_secret=required(environment, "SLACK_SIGNING_SECRET"),
            actions_queue_url=required(environment, "ACTIONS_QUEUE_URL"),
        )
