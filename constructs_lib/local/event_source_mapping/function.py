"""The two calls a mapping makes: the function, and the on-failure destination."""

import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED, Clients
from constructs_lib.local.event_source_mapping.destination import Discarded, payload
from constructs_lib.local.event_source_mapping.messages import (
    UNREADABLE,
    Discard,
    FunctionFailed,
    Invoke,
    NotInvoked,
    Outcome,
    Responded,
)
from constructs_lib.local.event_source_mapping.records import Source

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls on behalf of one mapping."""

    clients: Clients
    mapping_id: str
    function_arn: str
    source: Source
    destination: str | None

    def invoke(self, command: Invoke) -> Outcome:
        """Invoke the function and wait for its end."""
        client = self.clients.get("lambda", self.source.region)
        try:
            answer = client.invoke(FunctionName=self.function_arn, Payload=payload(command.records))
            body = answer["Payload"].read()
        except CALL_FAILED as error:
            _LOG.debug("%s was not invoked: %s", self.function_arn, error)
            return NotInvoked()
        request_id = answer["ResponseMetadata"].get("RequestId", "")
        version = answer.get("ExecutedVersion", "$LATEST")
        if failure := answer.get("FunctionError"):
            return FunctionFailed(failure, request_id, version)
        return Responded(_parsed(body), request_id, version)

    def tell_destination(self, command: Discard, shard_id: str, now: float) -> bool:
        """Send the invocation record to the on-failure destination. Gives whether that worked."""
        discarded = Discarded(
            discard=command,
            source=self.source,
            mapping_id=self.mapping_id,
            function_arn=self.function_arn,
            shard_id=shard_id,
            now=now,
            request_id=str(uuid.uuid4()),
        )
        try:
            self._send(discarded)
        except (*CALL_FAILED, ValueError) as error:
            _LOG.warning("the on-failure destination %s got no record: %s", self.destination, error)
            return False
        return True

    def _send(self, discarded: Discarded) -> None:
        _, _, service, region, account, resource = (self.destination or "").split(":", 5)
        client = self.clients.get(service, region or self.source.region)
        match service:
            case "sqs":
                url = client.get_queue_url(QueueName=resource, QueueOwnerAWSAccountId=account)["QueueUrl"]
                client.send_message(QueueUrl=url, MessageBody=json.dumps(discarded.metadata()))
            case "sns":
                client.publish(TopicArn=self.destination, Message=json.dumps(discarded.metadata()))
            case "s3":
                key = discarded.object_key(str(uuid.uuid4()))
                client.put_object(Bucket=resource, Key=key, Body=json.dumps(discarded.with_payload()).encode())
            case _:
                raise ValueError(f"{service} cannot be an on-failure destination; allowed are sqs, sns and s3")


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return UNREADABLE
