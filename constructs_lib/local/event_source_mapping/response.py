"""What a function's answer says about its batch."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from constructs_lib.local.event_source_mapping.messages import UNREADABLE
from constructs_lib.local.event_source_mapping.unknowns import ForeignIdentifier, MalformedResponse, Unknowns


class Verdict(Enum):
    """A batch as a whole."""

    SUCCEEDED = auto()
    FAILED = auto()


def judge(payload: Any, sequences: Sequence[str], unknowns: Unknowns) -> Verdict | int:
    """The verdict on a batch, or the index of the record from which on it is retried.

    For mappings with ReportBatchItemFailures; the others never look at the answer.
    """
    # Nothing at all, an empty object, an empty list of failures: documented as complete success. An empty text and an
    # empty list behaved alike where that was recorded against AWS.
    if payload in (None, "", [], {}):
        return Verdict.SUCCEEDED
    malformed = Verdict.FAILED if unknowns.malformed_response is MalformedResponse.FAILS else Verdict.SUCCEEDED
    if payload is UNREADABLE or not isinstance(payload, dict) or "batchItemFailures" not in payload:
        return malformed
    failures = payload["batchItemFailures"]
    if failures is None or failures == []:
        return Verdict.SUCCEEDED
    if not isinstance(failures, list):
        return malformed
    return _first_failed(failures, sequences, unknowns)


def _first_failed(failures: list[Any], sequences: Sequence[str], unknowns: Unknowns) -> Verdict | int:
    identifiers = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures]
    if not all(isinstance(identifier, str) and identifier for identifier in identifiers):
        return Verdict.FAILED
    named = [sequences.index(identifier) for identifier in identifiers if identifier in sequences]
    complete = len(named) == len(identifiers)
    if not named or (not complete and unknowns.foreign_identifier is ForeignIdentifier.FAILS_BATCH):
        return Verdict.FAILED
    return min(named)
