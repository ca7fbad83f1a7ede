"""Delivery commands on their way: the one place that knows which stream belongs to which provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.runtime import Envelope, Send
from lambdas.shared import timestamps
from lambdas.shared.messages import DeliveryCommand

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


class UnknownProviderError(ValueError):
    """A tenant names a provider for which no stream exists."""


@dataclass(frozen=True, slots=True)
class CommandMessages:
    """Makes messages of commands, for a consumer that sends what its handler returns.

    Args:
        streams: Stream name by provider.
    """

    streams: Mapping[str, str]

    def message(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> Send:
        """Return the message; one sent twice is harmless, one not sent is an alert nobody sees.

        Raises:
            UnknownProviderError: No stream belongs to *provider*.
        """
        if provider not in self.streams:
            raise UnknownProviderError(
                f"tenant {tenant!r} has provider {provider!r}; known are {', '.join(sorted(self.streams))}"
            )
        envelope = Envelope(
            id=f"{command.alert_id}/{command.level}/{command.min_version}",
            key=command.alert_id,
            tenant=tenant,
            correlation_id=correlation_id,
            created=timestamps.now(),
            body=command.to_body(),
        )
        return Send.stream(self.streams[provider], envelope)


@dataclass(frozen=True, slots=True)
class CommandStreams:
    """Puts each command on the stream of its provider and returns once it is stored there.

    Args:
        client: Kinesis client of this region.
        messages: Makes the messages.
    """

    client: "KinesisClient"
    messages: CommandMessages

    def send(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> None:
        """Store *command*.

        Raises:
            UnknownProviderError: No stream belongs to *provider*.
            ClientError: The stream did not take it; send again.
        """
        send = self.messages.message(command, provider=provider, tenant=tenant, correlation_id=correlation_id)
        self.client.put_record(StreamName=send.to, PartitionKey=send.group, Data=send.payload.encode())
