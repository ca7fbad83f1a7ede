"""What a probe does to a table, a queue or a stream, with clients that give up quickly."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from constructs_lib.runtime.functions.health.check import Probe

logger = logging.getLogger(__name__)

_QUICK = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})

# The service is there and answers, only not to this many questions: too much load must not look like a lost region.
_TOO_MANY = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottlingException",
}

_WORKING_STREAM = {"ACTIVE", "UPDATING"}

Client = Any
MakeClient = Callable[[str], Client]
"""Makes the client of a service, by the service's name."""
Attempt = Callable[[Client, Mapping[str, Any]], None]
"""What one kind of probe does, given its client and its setting."""


class ProbeError(Exception):
    """The service answered, but not as one that works."""


def clients() -> MakeClient:
    """Makes clients that try once, and wait a second at most for connection and answer."""
    session = Session()
    return lambda service: session.create_client(service, config=_QUICK)


def build(settings: list[dict[str, Any]], make: MakeClient) -> dict[str, Probe]:
    """Probes by name, from the settings that the construct wrote.

    Clients are made here, one per service: that takes longer than any probe, and would look like a store that hangs.

    Raises:
        KeyError: If a setting is none that this version knows.
    """
    services = {setting["kind"]: _KINDS[setting["kind"]] for setting in settings}
    made = {kind: make(service) for kind, (service, _) in services.items()}
    return {
        setting["name"]: partial(_run, services[setting["kind"]][1], made[setting["kind"]], setting)
        for setting in settings
    }


def _run(attempt: Attempt, client: Client, setting: Mapping[str, Any]) -> None:
    try:
        attempt(client, setting)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _TOO_MANY:
            raise
        logger.warning("health probe %r was throttled, which counts as working", setting["name"])


def _table(client: Client, setting: Mapping[str, Any]) -> None:
    key = {name: {"S": value} for name, value in setting["key"].items()}
    # An update, not a put: should the key be a real item's after all, the item keeps everything else.
    client.update_item(
        TableName=setting["table"],
        Key=key,
        UpdateExpression="SET health_checked_at = :now",
        ExpressionAttributeValues={":now": {"S": datetime.now(UTC).isoformat()}},
    )
    if "Item" not in client.get_item(TableName=setting["table"], Key=key, ConsistentRead=True):
        raise ProbeError("the item just written cannot be read")


def _queue(client: Client, setting: Mapping[str, Any]) -> None:
    client.get_queue_attributes(QueueUrl=setting["queue"], AttributeNames=["ApproximateNumberOfMessages"])


def _stream(client: Client, setting: Mapping[str, Any]) -> None:
    answer = client.describe_stream_summary(StreamName=setting["stream"])
    status = answer["StreamDescriptionSummary"]["StreamStatus"]
    if status not in _WORKING_STREAM:
        raise ProbeError(f"the stream is {status}")


_KINDS: dict[str, tuple[str, Attempt]] = {
    "table": ("dynamodb", _table),
    "queue": ("sqs", _queue),
    "stream": ("kinesis", _stream),
}
