"""HealthProbe: one thing in its own region without which a region is of no use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_sqs as sqs


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """Something the health function tries before it calls its region healthy.

    Made by `table`, `queue` or `stream`. Probe only what this system owns in this region: a third party's outage must
    never turn a region red, because it would turn all of them red.

    Attributes:
        name: What the health answer calls it when it fails; the public can read it.
        setting: What the health function must know, as JSON.
        allow: Grants the health function what the probe does, and no more.
    """

    name: str
    setting: Mapping[str, Any]
    allow: Callable[[iam.IGrantable], iam.Grant]

    @staticmethod
    def table(table: dynamodb.ITableV2, key: Mapping[str, str], *, name: str | None = None) -> "HealthProbe":
        """Write one item of the table's copy in this region, and read it back.

        Args:
            table: The table.
            key:
                Full key of an item that only this region's health function writes: put the region's code into it.
            name: What to call it in public. Default: "table" and the construct's id.

        Raises:
            ValueError: If *key* is empty.
        """
        if not key:
            raise ValueError(
                "key must name the probe's item, got {}; give partition key and sort key, with the region in it"
            )
        return HealthProbe(
            name=name or f"table {table.node.id}",
            setting={"kind": "table", "table": table.table_name, "key": dict(key)},
            allow=lambda grantee: table.grant(grantee, "dynamodb:UpdateItem", "dynamodb:GetItem"),
        )

    @staticmethod
    def queue(queue: sqs.IQueue, *, name: str | None = None) -> "HealthProbe":
        """Ask the queue for its attributes.

        Args:
            queue: The queue.
            name: What to call it in public. Default: "queue" and the construct's id.
        """
        return HealthProbe(
            name=name or f"queue {queue.node.id}",
            setting={"kind": "queue", "queue": queue.queue_url},
            allow=lambda grantee: queue.grant(grantee, "sqs:GetQueueAttributes"),
        )

    @staticmethod
    def stream(stream: kinesis.IStream, *, name: str | None = None) -> "HealthProbe":
        """Ask the stream whether it takes records.

        Args:
            stream: The stream.
            name: What to call it in public. Default: "stream" and the construct's id.
        """
        return HealthProbe(
            name=name or f"stream {stream.node.id}",
            setting={"kind": "stream", "stream": stream.stream_name},
            allow=lambda grantee: stream.grant(grantee, "kinesis:DescribeStreamSummary"),
        )
