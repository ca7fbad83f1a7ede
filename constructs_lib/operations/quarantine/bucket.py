"""Port to a quarantine bucket."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# S3's answers to a conditional write whose condition does not hold: (it never did, or another write came first).
_OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404")


class Listed(NamedTuple):
    """An object as a listing tells of it."""

    key: str
    written: datetime
    """When it was written last."""


class Stored(NamedTuple):
    """An object's content, and what names this version of it."""

    content: bytes
    version: str


class OvertakenError(Exception):
    """Somebody else wrote the object first."""


class Bucket(Protocol):
    """What is needed of a bucket. No deletion."""

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Return every object whose key starts with *prefix*, ordered by key."""

    def read(self, key: str) -> Stored | None:
        """Return an object; None if there is none of that key."""

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        """Write an object of JSON, over what is there."""

    def replace(self, key: str, content: Mapping[str, Any], *, version: str | None) -> str:
        """Write an object of JSON over that version of it, None for a new one, and return the new version.

        Raises:
            OvertakenError: If it is not, or no longer, that version which is there.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket:
    """A bucket in S3.

    Args:
        client: S3 client of the bucket's region.
        name: Name of the bucket.
    """

    client: "S3Client"
    name: str

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Return every object whose key starts with *prefix*, ordered by key."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for found in page.get("Contents", ()):
                yield Listed(found["Key"], found["LastModified"])

    def read(self, key: str) -> Stored | None:
        """Return an object; None if there is none of that key."""
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key)
        except self.client.exceptions.NoSuchKey:
            return None
        return Stored(answer["Body"].read(), answer["ETag"])

    def write(self, key: str, content: Mapping[str, Any]) -> None:
        """Write an object of JSON, over what is there."""
        self.client.put_object(Bucket=self.name, Key=key, **_body(content))

    def replace(self, key: str, content: Mapping[str, Any], *, version: str | None) -> str:
        """Write an object of JSON over that version of it, None for a new one, and return the new version."""
        condition: Any = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        try:
            return self.client.put_object(Bucket=self.name, Key=key, **_body(content), **condition)["ETag"]
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _OVERTAKEN:
                raise OvertakenError from error
            raise


def _body(content: Mapping[str, Any]) -> Any:
    return {"Body": json.dumps(content).encode(), "ContentType": "application/json"}
