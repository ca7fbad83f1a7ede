"""What it means for a record or message when AWS itself is away: it waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's own name

from constructs_lib.runtime import DependencyUnavailable

_SERVER_ERROR = 500
_COMES_BACK = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)


@contextmanager
def hold_while_aws_is_away() -> Iterator[None]:
    """Hold a record or message, instead of giving it up, while an AWS service it needs does not answer.

    Raises:
        DependencyUnavailable: An AWS call was throttled, failed on AWS's side, or did not get through.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code", "unknown")
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < _SERVER_ERROR and code not in _COMES_BACK:
            raise
        raise DependencyUnavailable(f"AWS answered {error.operation_name} with {code}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise DependencyUnavailable(f"AWS did not answer: {type(error).__name__}") from error
