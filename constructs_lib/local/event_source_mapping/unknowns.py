"""What AWS's documentation leaves open about stream event source mappings, as enumerated choices.

The first member of each choice is the one used unless told otherwise: what a recording made against AWS showed where
there is one, else the reading nearest to the documentation's words. Tests run every choice.
docs/conformance/event-source-mapping.md says for each why it is open.
"""

from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from typing import Any


class BlockedLane(Enum):
    """Parallelization factor above 1: what a failing batch holds up besides the records of its own lane."""

    HOLDS_LANE = auto()
    HOLDS_SHARD = auto()


class PartialProgress(Enum):
    """A partial response moved the checkpoint: whether what remains starts with a fresh number of attempts."""

    RESTARTS_ATTEMPTS = auto()
    KEEPS_ATTEMPTS = auto()


class SplitWithoutRetries(Enum):
    """Bisecting is on, no retry is left, the batch holds several records: split it, or discard it whole."""

    SPLITS = auto()
    DISCARDS = auto()


class FailedFromFirst(Enum):
    """Bisecting is on and a partial response names the first record, so that there is nothing to cut off."""

    RETRIES_WHOLE = auto()
    SPLITS_IN_HALF = auto()


class MalformedResponse(Enum):
    """Partial responses are on and the answer has no list `batchItemFailures` (misspelt, not an object, not JSON)."""

    SUCCEEDS = auto()
    FAILS = auto()


class ForeignIdentifier(Enum):
    """A partial response names a record of the batch and one that was never in it."""

    FAILS_BATCH = auto()
    IGNORED = auto()


class AgeInvokeCount(Enum):
    """`approximateInvokeCount` of a batch discarded for its age."""

    ONE = auto()
    COUNTED = auto()


class TooOld(Enum):
    """Some records of a batch passed the maximum record age: what is discarded."""

    OLD_RECORDS = auto()
    WHOLE_BATCH = auto()


class FilteredRecords(Enum):
    """Whether records that match no filter take up room in a batch before they are left out."""

    TAKE_NO_ROOM = auto()
    TAKE_ROOM = auto()


class KinesisMetadata(Enum):
    """A Kinesis filter on something other than `data`: compared with the record's metadata, or never met."""

    COMPARED = auto()
    NEVER_MET = auto()


class EmptyWindow(Enum):
    """A batching window closed without a record: the next opens at once, or with the next record."""

    REOPENS_AT_ONCE = auto()
    OPENS_WITH_RECORD = auto()


class StreamExpiry(Enum):
    """Records leave the stream (retention) while a batch is retried: whether the destination hears of it."""

    SILENT = auto()
    TOLD = auto()


class DestinationFailure(Enum):
    """The on-failure destination cannot be reached: try again and hold the lane, or go on without."""

    RETRIES = auto()
    DROPS = auto()


class InFlightWhenDisabled(Enum):
    """The mapping is disabled during an invocation: whether its result still moves the checkpoint."""

    COUNTS = auto()
    IGNORED = auto()


class CheckpointScope(Enum):
    """Parallelization factor above 1: one checkpoint for the shard, or memory of what other lanes did beyond it."""

    SHARD = auto()
    LANE = auto()


class RetriedBatch(Enum):
    """A whole batch is retried: with the same records, or filled up with records that arrived since."""

    SAME_RECORDS = auto()
    REFILLED = auto()


class Resharding(Enum):
    """A child shard is read when its parents have been finished, or at once."""

    PARENTS_FIRST = auto()
    AT_ONCE = auto()


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before try *n*: `first` seconds, times `factor` each further time, at most `longest` seconds."""

    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row (1 or more)."""
        # Beyond 64 doublings every sensible `longest` is reached; without the bound the power overflows.
        return float(min(self.longest, self.first * self.factor ** min(failures - 1, 64)))


AT_ONCE = Backoff(first=0.0, longest=0.0)
EVERY_SECOND = Backoff(factor=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowns:
    """One choice for everything the documentation leaves open."""

    blocked_lane: BlockedLane = BlockedLane.HOLDS_LANE
    partial_progress: PartialProgress = PartialProgress.RESTARTS_ATTEMPTS
    split_without_retries: SplitWithoutRetries = SplitWithoutRetries.SPLITS
    failed_from_first: FailedFromFirst = FailedFromFirst.RETRIES_WHOLE
    malformed_response: MalformedResponse = MalformedResponse.SUCCEEDS
    foreign_identifier: ForeignIdentifier = ForeignIdentifier.FAILS_BATCH
    age_invoke_count: AgeInvokeCount = AgeInvokeCount.ONE
    too_old: TooOld = TooOld.OLD_RECORDS
    filtered_records: FilteredRecords = FilteredRecords.TAKE_NO_ROOM
    kinesis_metadata: KinesisMetadata = KinesisMetadata.COMPARED
    empty_window: EmptyWindow = EmptyWindow.REOPENS_AT_ONCE
    stream_expiry: StreamExpiry = StreamExpiry.SILENT
    destination_failure: DestinationFailure = DestinationFailure.RETRIES
    in_flight_when_disabled: InFlightWhenDisabled = InFlightWhenDisabled.COUNTS
    checkpoint_scope: CheckpointScope = CheckpointScope.SHARD
    retried_batch: RetriedBatch = RetriedBatch.SAME_RECORDS
    resharding: Resharding = Resharding.PARENTS_FIRST
    backoff: Backoff = field(default_factory=Backoff)


def choices(name: str) -> tuple[Any, ...]:
    """Every plausible value of the unknown *name*."""
    default = getattr(Unknowns(), name)
    if isinstance(default, Backoff):
        return default, EVERY_SECOND, AT_ONCE
    kind: type[Enum] = type(default)
    return tuple(kind)


def variants() -> tuple[Unknowns, ...]:
    """The usual choices, then each other choice by itself."""
    usual = Unknowns()
    others = [replace(usual, **{item.name: choice}) for item in fields(Unknowns) for choice in choices(item.name)[1:]]
    return (usual, *others)
