"""The queue of what people asked for."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.runtime.envelope import Envelope
from lambdas.interactions.domain import Click

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class NotStoredError(Exception):
    """The queue did not take the action."""


class ActionQueue:
    """The actions queue: fair per tenant, because a message's group is its tenant.

    Args:
        client: SQS client of this region.
        url: The queue.
    """

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, click: Click, *, correlation_id: str) -> None:
        """Return once *click* is stored.

        Raises:
            NotStoredError: It is not.
        """
        envelope = Envelope(
            id=click.request.action_id,
            key=click.request.alert_id,
            tenant=click.tenant,
            correlation_id=correlation_id,
            created=click.request.requested_at,
            body=click.request.to_body(),
        )
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=envelope.to_json(), MessageGroupId=click.tenant)
        except (ClientError, BotoCoreError) as error:
            raise NotStoredError(type(error).__name__) from error
