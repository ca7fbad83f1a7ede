"""Putting the record that nobody can read where a fault says."""

import uuid
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.targets import STREAM, Target

UNREADABLE: Final = '{"poison": "nobody can read th'
"""Neither an envelope nor JSON."""


def put(target: Target, client: Callable[[str, str], Any]) -> None:
    """Have one unreadable record arrive at *target*.

    Args:
        target: A Kinesis stream or an SQS queue.
        client: Gives the client for a service in a region.

    Raises:
        LocalCloudError: It does not take it, for instance because its region is lost.
    """
    try:
        _put(target, client)
    except (BotoCoreError, ClientError) as error:
        raise LocalCloudError(f"{target.name} in {target.region} took no record: {error}.") from error


def _put(target: Target, client: Callable[[str, str], Any]) -> None:
    if target.resource_type == STREAM:
        client("kinesis", target.region).put_record(
            StreamName=target.name, PartitionKey="poison", Data=UNREADABLE.encode()
        )
        return
    # Each is one of its own to a queue that keeps order, however soon after another it comes.
    ordered = {"MessageGroupId": "poison", "MessageDeduplicationId": uuid.uuid4().hex}
    more = ordered if target.name.endswith(".fifo") else {}
    client("sqs", target.region).send_message(QueueUrl=target.physical_id, MessageBody=UNREADABLE, **more)
