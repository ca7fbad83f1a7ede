"""The one error an operator meets."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class OperationError(Exception):
    """What was asked cannot be done; the message is one or two sentences meant for the operator."""


def explained(error: "BotoCoreError | ClientError") -> OperationError:
    """Put what an AWS client raised into words."""
    response = getattr(error, "response", None)
    if response is None:
        way_out = {
            "NoCredentialsError": " Sign in, or set AWS_PROFILE.",
            "NoRegionError": " Name it with --region, or set AWS_REGION.",
        }.get(type(error).__name__, "")
        return OperationError(f"AWS cannot be asked: {error}.".replace("..", ".") + way_out)
    code, message = response["Error"].get("Code", ""), response["Error"].get("Message", "")
    operation = getattr(error, "operation_name", "the call")
    if code in _REFUSED:
        return OperationError(
            f"You have no right to {operation}: {message or code}. docs/runbooks/quarantine.md names the rights an "
            "operator needs."
        )
    if code == "NoSuchBucket":
        name = response["Error"].get("BucketName", "of that name")
        return OperationError(f"There is no bucket {name} here; check --bucket, --region and the account you are in.")
    return OperationError(f"{operation} failed: {message or code}")
