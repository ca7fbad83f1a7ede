"""What process_event touches besides the tables and streams that others use too: Step Functions, and time."""

import json
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_LONGEST_PAUSE_SECONDS = 0.5


class EscalationWorkflow:
    """Starts one execution per alert: its name is the alert's id, and names are unique for 90 days.

    Args:
        client: Step Functions client of this region.
        state_machine_arn: The workflow.
    """

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, alert_id: str, *, tenant: str, correlation_id: str) -> bool:
        """Start it for *alert_id*; False when it had been started before with another input, or has ended."""
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn,
                name=alert_id,
                input=json.dumps({"alert_id": alert_id, "tenant": tenant, "correlation_id": correlation_id}),
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        return True


def pause_at_random(attempt: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait between nothing and twice as long as before, so that those who met once do not meet again."""
    sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.01 * 2**attempt)))  # noqa: S311 - spreads load, hides nothing
