"""What runs inside Lambda on behalf of the constructs: standard library and botocore, never aws_cdk.

Importing this package loads the standard library only; botocore comes with the first consumer made, and what few
functions need with its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.effects import Fold, Inherent, Insert, Items, Outside, Replace, Send, Transact
from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.failures import DependencyUnavailable, PermanentFailure, TenantUnavailable
from constructs_lib.runtime.queue_consumer import queue_consumer
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_consumer import stream_consumer

if TYPE_CHECKING:
    from constructs_lib.runtime.answers import answer_once
    from constructs_lib.runtime.tenant_throttle import TenantThrottle

__all__ = [
    "DependencyUnavailable",
    "Envelope",
    "Fold",
    "Inherent",
    "Insert",
    "Items",
    "Outside",
    "PermanentFailure",
    "Record",
    "Replace",
    "Send",
    "TenantThrottle",
    "TenantUnavailable",
    "Transact",
    "answer_once",
    "queue_consumer",
    "stream_consumer",
]

# Not the consumers: their modules have their names, and would stand in their place as soon as somebody imports one.
_HOMES = {"TenantThrottle": "tenant_throttle", "answer_once": "answers"}


def __getattr__(name: str) -> Any:
    """Load the module that defines *name* on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
