"""The answer by which Lambda learns what has to be delivered again."""

from collections.abc import Iterable
from typing import TypedDict


class BatchItemFailure(TypedDict):
    """One record or message that is not settled."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """What is not settled; nothing means that the whole batch is.

    A misspelt name in it would count as success and lose records, so it is built here only.

    Source: AWS Lambda developer guide, partial batch responses of Kinesis, DynamoDB streams and SQS.
    """

    batchItemFailures: list[BatchItemFailure]


def batch_response(positions: Iterable[str]) -> BatchResponse:
    """Return the answer that hands back the records at *positions*."""
    return {"batchItemFailures": [{"itemIdentifier": position} for position in positions]}
