"""Sending delivery commands: the one place that knows which stream belongs to which provider."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from constructs_lib.runtime.envelope import Envelope
from lambdas.shared import timestamps
from lambdas.shared.messages import DeliveryCommand

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


class UnknownProviderError(ValueError):
    """A tenant names a provider for which no stream exists."""


class CommandStreams:
    """Puts each command on the stream of its provider and returns once it is stored there.

    Args:
        client: Kinesis client of this region.
        streams: Stream name by provider.
    """

    def __init__(self, client: "KinesisClient", streams: Mapping[str, str]) -> None:
        self._client = client
        self._streams = streams

    def send(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> None:
        """Store *command*; a command sent twice is harmless, one not sent is an alert nobody sees.

        Raises:
            UnknownProviderError: No stream belongs to *provider*.
            ClientError: The stream did not take it; send again.
        """
        if provider not in self._streams:
            raise UnknownProviderError(
                f"tenant {tenant!r} has provider {provider!r}; known are {', '.join(sorted(self._streams))}"
            )
        envelope = Envelope(
            id=f"{command.alert_id}/{command.level}/{command.min_version}",
            key=command.alert_id,
            tenant=tenant,
            correlation_id=correlation_id,
            created=timestamps.now(),
            body=command.to_body(),
        )
        self._client.put_record(
            StreamName=self._streams[provider], PartitionKey=envelope.key, Data=envelope.to_json().encode()
        )
