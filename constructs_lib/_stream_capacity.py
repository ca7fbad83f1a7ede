"""How much a dependency's stream can take, and who decides that."""

from dataclasses import dataclass
from typing import Self

from constructs_lib._checks import between

# Kinesis takes more per account; a dependency that needs more is better served by several streams.
_MOST_SHARDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCapacity:
    """How much a stream can take: as many shards as were ordered, or what Kinesis sees fit.

    Made by `provisioned` or `on_demand`. Provisioned is cheaper for a stream that is mostly idle, and an account can
    have as many such streams as it likes; of streams on demand it can have 50.

    Args:
        shards: Number of shards; None where Kinesis decides.
    """

    shards: int | None

    @classmethod
    def provisioned(cls, *, shards: int = 1) -> Self:
        """A fixed number of shards; each takes 1 MB or 1,000 records a second.

        Args:
            shards: How many, 1 to 1000. Default: 1.

        Raises:
            ValueError: If *shards* is out of range.
        """
        between("shards", shards, 1, _MOST_SHARDS, way_out="more than one stream per dependency is for more than that")
        return cls(shards=shards)

    @classmethod
    def on_demand(cls) -> Self:
        """As many shards as the traffic of the last 30 days needs, twice over; from the start 4 MB a second.

        The number of shards is Kinesis's business, so the stream no longer bounds how often the consumer runs at once:
        a consumer with a reserved concurrency is required.
        """
        return cls(shards=None)
