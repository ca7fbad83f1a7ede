"""Telling Step Functions that what a step waits for has happened."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsTasks:
    """Completes tasks by their token; a token is worth something only in the region that issued it.

    Args:
        client: Step Functions client of this region.
        logger: Where tokens that nobody waits for are noted.
    """

    def __init__(self, client: "SFNClient", logger: "Logger") -> None:
        self._client = client
        self._logger = logger

    def succeed(self, token: str, result: Mapping[str, object]) -> None:
        """Complete the task with *result*; one that is over already is as good as completed."""
        nobody_waits = (
            self._client.exceptions.TaskTimedOut,
            self._client.exceptions.TaskDoesNotExist,
            self._client.exceptions.InvalidToken,
        )
        try:
            self._client.send_task_success(taskToken=token, output=json.dumps(result))
        except nobody_waits as error:
            self._logger.warning(
                "nobody waits for this delivery", extra={"code": "TASK_OVER", "error": type(error).__name__}
            )
