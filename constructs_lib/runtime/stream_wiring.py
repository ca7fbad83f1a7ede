"""The real parts of a stream consumer."""

import time

from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.clients import PROMPT, client
from constructs_lib.runtime.drain import ParkingDrainer
from constructs_lib.runtime.drain_ports import DrainPorts
from constructs_lib.runtime.engines import MakeEngine
from constructs_lib.runtime.handler_health import HandlerHealth
from constructs_lib.runtime.journal_store import DynamoDbJournal
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.parking_store import ParkingStore, S3Payloads
from constructs_lib.runtime.parking_table import DynamoDBTable
from constructs_lib.runtime.quarantine import S3Quarantine
from constructs_lib.runtime.settings import IdempotencySettings, StreamSettings
from constructs_lib.runtime.stream_ports import Bounds, StreamPorts

_MOST_AT_ONCE = 100
_MOST_TENANTS_AT_ONCE = 10
# A lone record must be able to open the circuit, and to have some attempts more once it is closed again.
_ATTEMPTS_AFTER_AN_OUTAGE = 3


def from_environment(make_engine: MakeEngine | None = None) -> StreamPorts:
    """Make the ports from the function's environment settings.

    Args:
        make_engine: Makes what settles messages. Default: nothing does.
    """
    settings = StreamSettings.from_environment()
    dependency = {"dependency": settings.dependency}
    watch = JsonWatch(namespace=settings.namespace, dimensions=dependency, keys=dependency)
    bounds = Bounds(
        hold_seconds=settings.hold_seconds,
        retention_seconds=settings.retention_seconds,
        concurrency=settings.concurrency or _MOST_AT_ONCE,
        away_attempts=settings.breaker.minimum_calls + _ATTEMPTS_AFTER_AN_OUTAGE,
    )
    s3, dynamodb = client("s3"), client("dynamodb")
    quarantine = S3Quarantine(client=s3, bucket=settings.quarantine_bucket, dependency=settings.dependency)
    payloads = S3Payloads(client=s3, bucket=settings.quarantine_bucket, dependency=settings.dependency)
    parking = ParkingStore(DynamoDBTable(client=dynamodb, name=settings.state_table), payloads)
    status = DynamoStatus(client("dynamodb", PROMPT), settings.state_table)
    gate = CircuitGate(settings.breaker, store=status, watch=watch)
    suspicion = HandlerHealth()
    drain = DrainPorts(
        store=parking,
        gate=gate,
        suspicion=suspicion,
        quarantine=quarantine,
        watch=watch,
        now=time.time,
        sleep=time.sleep,
    )
    return StreamPorts(
        quarantine=quarantine,
        watch=watch,
        status=status,
        gate=gate,
        parking=parking,
        drainer=ParkingDrainer(
            drain,
            hold_seconds=settings.hold_seconds,
            lanes=min(_MOST_TENANTS_AT_ONCE, bounds.concurrency),
            unavailable_attempts=bounds.away_attempts,
        ),
        journal=DynamoDbJournal(client=dynamodb, table=settings.state_table),
        suspicion=suspicion,
        bounds=bounds,
        engine=make_engine(IdempotencySettings.from_environment()) if make_engine else None,
    )
