"""The settings of one mapping, as the state machine needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.local.event_source_mapping.filters import Filters
from constructs_lib.local.event_source_mapping.unknowns import Unknowns

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of a synchronous invocation's event (Lambda quotas)."""

DAY = 86_400.0

_RANGES = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "ParallelizationFactor": (1, 10),
    "MaximumRetryAttempts": (-1, 10_000),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of a mapping.

    Args:
        batch_size: Records per invocation at most. Default: 100.
        window: Seconds to gather records before an invocation. Default: 0.
        parallelization: Batches of one shard at the same time. Default: 1.
        retries: Retries after a function error; -1 means until the records expire. Default: -1.
        record_age: Seconds after which a record is discarded; -1 means never. Default: -1.
        bisect: Split a batch in two when the function fails. Default: False.
        partial_responses: The function may answer with `batchItemFailures`. Default: False.
        destination: Whether discarded batches are told to an on-failure destination. Default: False.
        filters: What a record must match to be sent to the function. Default: none.
        retention: Seconds the stream keeps a record. Default: one day.
        poll_interval: Seconds between reads of an idle shard. Default: 1, AWS's rate for Kinesis.
        unknowns: A choice for everything AWS's documentation leaves open. Default: the usual ones.
    """

    batch_size: int = 100
    window: float = 0.0
    parallelization: int = 1
    retries: int = -1
    record_age: float = -1.0
    bisect: bool = False
    partial_responses: bool = False
    destination: bool = False
    filters: Filters | None = None
    retention: float = DAY
    poll_interval: float = 1.0
    unknowns: Unknowns = field(default_factory=Unknowns)

    @classmethod
    def from_api(
        cls,
        mapping: Mapping[str, Any],
        *,
        retention: float = DAY,
        poll_interval: float = 1.0,
        unknowns: Unknowns | None = None,
    ) -> "Config":
        """The settings in an answer of ListEventSourceMappings; absent ones have AWS's defaults.

        Raises:
            ValueError: A setting is outside its range, cannot be modelled (tumbling windows) or a filter is malformed.
        """
        if mapping.get("TumblingWindowInSeconds"):
            raise ValueError(
                "TumblingWindowInSeconds is set, and tumbling windows do not run locally; leave the setting out to run"
                " this mapping without its window state"
            )
        unknowns = unknowns or Unknowns()
        return cls(
            batch_size=_setting(mapping, "BatchSize", 100),
            window=_setting(mapping, "MaximumBatchingWindowInSeconds", 0),
            parallelization=_setting(mapping, "ParallelizationFactor", 1),
            retries=_setting(mapping, "MaximumRetryAttempts", -1),
            record_age=_setting(mapping, "MaximumRecordAgeInSeconds", -1),
            bisect=bool(mapping.get("BisectBatchOnFunctionError")),
            partial_responses="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or ()),
            destination=on_failure_destination(mapping) is not None,
            filters=Filters.from_api(mapping.get("FilterCriteria"), unknowns.kinesis_metadata),
            retention=retention,
            poll_interval=poll_interval,
            unknowns=unknowns,
        )


def on_failure_destination(mapping: Mapping[str, Any]) -> str | None:
    """The ARN that hears of discarded batches."""
    destination = (mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
    return destination.get("Destination") or None


def _setting(mapping: Mapping[str, Any], name: str, default: int) -> int:
    value = mapping.get(name)
    # A template may give numbers as text, and the emulator hands them on unchanged.
    number = default if value is None else int(value)
    least, most = _RANGES[name]
    if not least <= number <= most:
        raise ValueError(f"{name} is {number}; allowed is {least} to {most}")
    return number
