"""What runs inside Lambda on behalf of the constructs: standard library and botocore, never aws_cdk.

Importing this package loads the standard library only; botocore comes with the first consumer made.
"""

from constructs_lib.runtime.answers import answer_once
from constructs_lib.runtime.effects import Fold, Inherent, Insert, Items, Outside, Replace, Send, Transact
from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.failures import DependencyUnavailable, PermanentFailure, TenantUnavailable
from constructs_lib.runtime.queue_consumer import queue_consumer
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_consumer import stream_consumer
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
