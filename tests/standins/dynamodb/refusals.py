"""What DynamoDB says no with."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from botocore.session import Session

# The code of one statement, action or item, and the error a call for one item alone fails with.
ERROR_OF = {
    "ConditionalCheckFailed": "ConditionalCheckFailedException",
    "DuplicateItem": "DuplicateItemException",
    "ProvisionedThroughputExceeded": "ProvisionedThroughputExceededException",
    "ThrottlingError": "ThrottlingException",
    "TransactionConflict": "TransactionConflictException",
    "ReplicatedWriteConflict": "ReplicatedWriteConflictException",
    "ValidationError": "ValidationException",
    "ResourceNotFound": "ResourceNotFoundException",
    "AccessDenied": "AccessDeniedException",
    "InternalServerError": "InternalServerError",
    "RequestLimitExceeded": "RequestLimitExceeded",
}
TEXT_OF = {
    "ConditionalCheckFailed": "The conditional request failed",
    "DuplicateItem": "Duplicate primary key exists in table",
    "ProvisionedThroughputExceeded": "The level of configured provisioned throughput for the table was exceeded.",
    "ThrottlingError": "Throughput exceeds the current capacity of your table or index.",
    "TransactionConflict": "Transaction is ongoing for the item",
}


class RefusedError(Exception):
    """One item, action or statement is refused.

    Attributes:
        code: As in `BatchStatementError` and `CancellationReasons`: "ConditionalCheckFailed", ...
        item: The item that did not meet the condition.
    """

    def __init__(self, code: str, text: str = "", *, item: Mapping[str, Any] | None = None) -> None:
        super().__init__(text or TEXT_OF.get(code, code))
        self.code = code
        self.item = item

    @property
    def text(self) -> str:
        """The message."""
        return str(self)


class RequestRefusedError(Exception):
    """The whole call is refused: the name of DynamoDB's error, its text, and what else the answer holds."""

    def __init__(self, name: str, text: str, **more: Any) -> None:
        super().__init__(text)
        self.name = name
        self.more = more

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return 500 if self.name == "InternalServerError" else 400

    def as_client_error(self, operation: str) -> ClientError:
        """As botocore raises it, of the class that `client.exceptions` has for it."""
        response: Any = {
            "Error": {"Code": self.name, "Message": str(self)},
            "ResponseMetadata": {"HTTPStatusCode": self.status, "HTTPHeaders": {}, "RequestId": "", "RetryAttempts": 0},
            **self.more,
        }
        error = exceptions().from_code(self.name)(response, operation)
        assert isinstance(error, ClientError)
        return error


def alone(refusal: RefusedError, *, with_item: bool) -> RequestRefusedError:
    """The error of a call for one item."""
    more = {"Item": refusal.item} if with_item and refusal.item else {}
    return RequestRefusedError(ERROR_OF[refusal.code], refusal.text, **more)


def invalid(text: str) -> RequestRefusedError:
    """The call is not as DynamoDB wants it."""
    return RequestRefusedError("ValidationException", text)


@cache
def service_model() -> Any:
    """botocore's description of DynamoDB."""
    return Session().get_service_model("dynamodb")


@cache
def exceptions() -> Any:
    """What a client has as `exceptions`."""
    return ClientExceptionsFactory().create_client_exceptions(service_model())
