"""Telling Step Functions that what a step waits for has happened."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambdas.shared.codes import Code, Log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsTasks:
    """Completes tasks by their token; a token is worth something only in the region that issued it.

    Args:
        client: Step Functions client of this region.
        log: Where tokens that nobody waits for are noted.
    """

    def __init__(self, client: "SFNClient", log: Log) -> None:
        self._client = client
        self._log = log

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
            self._log(Code.DLV_NOBODY_WAITS, error=type(error).__name__)
