"""What runs inside Lambda on behalf of the constructs: standard library, boto3 and Powertools, never aws_cdk.

Importing this package loads the standard library only; boto3 and Powertools come with the first consumer made.
"""

from constructs_lib.runtime.failures import DependencyUnavailable, PermanentFailure, TenantUnavailable
from constructs_lib.runtime.queue_consumer import queue_consumer
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_consumer import stream_consumer
from constructs_lib.runtime.tenant_throttle import TenantThrottle

__all__ = [
    "DependencyUnavailable",
    "PermanentFailure",
    "Record",
    "TenantThrottle",
    "TenantUnavailable",
    "queue_consumer",
    "stream_consumer",
]
