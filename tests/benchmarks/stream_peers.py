"""A consumer made of Powertools' BatchProcessor, in the same virtual shard as ours, for benchmarks that count."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from constructs_lib.local.event_source_mapping.config import DAY, Config
from constructs_lib.local.event_source_mapping.messages import FunctionFailed, Responded
from tests.unit.local.virtual_shard import Answer, VirtualShard
from tests.unit.runtime.stream_world import Crash


@dataclass(frozen=True)
class Powertools:
    """One shard, consumed by Powertools' BatchProcessor with partial responses and retries without limit.

    Args:
        handle: Called with a record's sequence number.
        keys: Of the records, in their order.
        batch_size: Records per invocation.
    """

    handle: Callable[[str], None]
    keys: list[str]
    batch_size: int = 100

    def run(self) -> VirtualShard:
        """Let an hour pass."""
        logging.getLogger("aws_lambda_powertools").setLevel(logging.CRITICAL)
        config = Config(batch_size=self.batch_size, partial_responses=True, retention=7 * DAY)
        shard = VirtualShard(config, function=self._invoke)
        shard.put(0.0, *self.keys)
        return shard.run(until=3_600.0)

    def _invoke(self, sequences: list[str]) -> Answer:
        processor = BatchProcessor(event_type=EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)
        event: Any = {"Records": [_record(sequence) for sequence in sequences]}

        def handle(record: Any) -> None:
            self.handle(record.kinesis.sequence_number)

        context: Any = SimpleNamespace()
        try:
            answer = process_partial_response(event, handle, processor, context)
        except Crash:
            return FunctionFailed()
        return Responded(answer)


def _record(sequence: str) -> dict[str, Any]:
    return {
        "eventID": f"shardId-000000000000:{sequence}",
        "eventSource": "aws:kinesis",
        "kinesis": {"sequenceNumber": sequence, "partitionKey": sequence, "data": "e30="},
    }
