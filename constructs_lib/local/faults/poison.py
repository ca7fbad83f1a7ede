"""Putting the record that nobody can read where a fault says."""

from collections.abc import Callable
from typing import Any, Final

from constructs_lib.local.faults.targets import STREAM, Target

UNREADABLE: Final = '{"poison": "nobody can read th'
"""Neither an envelope nor JSON."""


def put(target: Target, client: Callable[[str, str], Any]) -> None:
    """Have one unreadable record arrive at *target*.

    Args:
        target: A Kinesis stream or an SQS queue.
        client: Gives the client for a service in a region.
    """
    if target.resource_type == STREAM:
        client("kinesis", target.region).put_record(
            StreamName=target.name, PartitionKey="poison", Data=UNREADABLE.encode()
        )
        return
    ordered = {"MessageGroupId": "poison", "MessageDeduplicationId": "poison"} if target.name.endswith(".fifo") else {}
    client("sqs", target.region).send_message(QueueUrl=target.physical_id, MessageBody=UNREADABLE, **ordered)
