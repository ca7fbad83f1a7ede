"""Put records on a Kinesis stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from constructs_lib.operations.errors import OperationError

if TYPE_CHECKING:
    from mypy_boto3_kinesis.client import KinesisClient

# What Kinesis says when it has no capacity for any of a call's records at the moment.
_LATER = (
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "InternalFailure",
    "InternalFailureException",
    "ServiceUnavailable",
)


class Outgoing(NamedTuple):
    """A record on its way to a stream."""

    partition_key: str
    data: bytes


class Taken(NamedTuple):
    """The stream has the record."""

    shard: str
    position: str


class Refused(NamedTuple):
    """The stream does not have the record; a later try may succeed."""

    why: str


Put = Callable[[str, Sequence[Outgoing]], Sequence[Taken | Refused]]
"""Puts records on the stream of that ARN; the answers are in the order of the records."""


@dataclass(frozen=True, slots=True)
class Kinesis:
    """Kinesis as what takes records.

    Args:
        client: Makes a Kinesis client for a region.
    """

    client: "Callable[[str], KinesisClient]"

    def put(self, stream: str, records: Sequence[Outgoing]) -> Sequence[Taken | Refused]:
        """Put *records*, at most 500, on the *stream* of that ARN, in any order.

        Raises:
            OperationError: If there is no such stream.
        """
        client = self.client(stream.split(":")[3])
        try:
            answer = client.put_records(
                StreamARN=stream,
                Records=[{"PartitionKey": record.partition_key, "Data": record.data} for record in records],
            )
        except client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _LATER:
                return [Refused(code)] * len(records)
            if code == "ResourceNotFoundException":
                raise OperationError(
                    f"There is no stream {stream}; if another has taken its place, name it with --stream."
                ) from error
            raise
        return [
            Refused(f"{each['ErrorCode']}: {each.get('ErrorMessage', '')}")
            if each.get("ErrorCode")
            else Taken(each["ShardId"], each["SequenceNumber"])
            for each in answer["Records"]
        ]


def is_kinesis(arn: str) -> bool:
    """Whether *arn* is that of a Kinesis stream."""
    return arn.split(":")[2:3] == ["kinesis"]
