"""What an operator reads when AWS says no."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from constructs_lib.operations.errors import explained


def refused(code: str, message: str, **more: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message, **more}}, "GetObject")  # type: ignore[typeddict-item]  # S3 tells more


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            refused("AccessDenied", "User: ada is not authorized to perform: s3:GetObject"),
            ["You have no right to GetObject", "ada is not authorized", "docs/runbooks/quarantine.md"],
        ),
        (refused("NoSuchBucket", "", BucketName="b"), ["There is no bucket b here", "--region"]),
        (refused("ExpiredToken", "The token has expired"), ["GetObject failed: The token has expired"]),
        (NoCredentialsError(), ["Unable to locate credentials", "AWS_PROFILE"]),
        (EndpointConnectionError(endpoint_url="https://s3"), ["AWS cannot be asked", "https://s3"]),
    ],
)
def test_the_sentence_says_what_is_wrong_and_what_to_do(error: ClientError, words: list[str]) -> None:
    """Without the names of classes and codes that help nobody."""
    text = str(explained(error))
    assert all(word in text for word in words), text
