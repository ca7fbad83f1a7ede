"""The environment settings that constructs give to their functions, as the runtime reads them on the first event."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

DEPENDENCY = "RESILIENCE_DEPENDENCY"
QUARANTINE_BUCKET = "RESILIENCE_QUARANTINE_BUCKET"
STATE_TABLE = "RESILIENCE_STATE_TABLE"
HOLD_SECONDS = "RESILIENCE_HOLD_SECONDS"
RETENTION_SECONDS = "RESILIENCE_RETENTION_SECONDS"
BREAKER = "RESILIENCE_BREAKER"
CONCURRENCY = "RESILIENCE_CONCURRENCY"
DEAD_LETTER_QUEUE_URL = "RESILIENCE_DEAD_LETTER_QUEUE_URL"
IDEMPOTENCY_TABLE = "RESILIENCE_IDEMPOTENCY_TABLE"
REMEMBER_SECONDS = "RESILIENCE_REMEMBER_SECONDS"
IDEMPOTENCY_SCOPE = "RESILIENCE_IDEMPOTENCY_SCOPE"
STORE_CONSISTENCY = "RESILIENCE_STORE_CONSISTENCY"
QUEUE_URL = "RESILIENCE_QUEUE_URL"
MAX_RECEIVE_COUNT = "RESILIENCE_MAX_RECEIVE_COUNT"
QUEUE_RETENTION_SECONDS = "RESILIENCE_QUEUE_RETENTION_SECONDS"
SIDELINE_QUEUE_URL = "RESILIENCE_SIDELINE_QUEUE_URL"
TENANT_THROTTLE = "RESILIENCE_TENANT_THROTTLE"
HEALTH_PROBES = "RESILIENCE_HEALTH_PROBES"

# Read by Powertools; named here because the runtime's metrics and logs depend on them.
SERVICE_NAME = "POWERTOOLS_SERVICE_NAME"
METRICS_NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"


_SCOPE = "message"


class SettingError(Exception):
    """The function's environment lacks a setting or holds one that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When the circuit breaker of a dependency opens, and when it tries again.

    Args:
        failure_rate: Share of failed calls at which it opens, above 0 and at most 1. Default: 0.5.
        minimum_calls: Calls within the window before it may open. So many in a row that nobody answers, over at least
            two seconds, open it whatever the rate. Default: 5.
        window_seconds: How far back calls count, and of those the newest 20, or four times *minimum_calls*. Default: 60.
        slow_seconds: A call that takes at least this long counts as failed. Default: none does.
        probe_seconds: Time between two probes while it is open. Default: 5.
    """

    failure_rate: float = 0.5
    minimum_calls: int = 5
    window_seconds: float = 60.0
    slow_seconds: float | None = None
    probe_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What a stream consumer needs to know.

    Args:
        dependency: Name of the external dependency this function talks to.
        quarantine_bucket: Bucket for records that cannot be processed.
        namespace: CloudWatch namespace of the metrics.
        state_table: DynamoDB table for breaker, journal and parked records, with the keys `pk` and `sk`.
        hold_seconds: How long a record may wait before it goes to quarantine.
        retention_seconds: How long the stream keeps a record; None where that is not to be watched.
        breaker: When the circuit breaker opens and tries again.
        concurrency: Most records at work at once; None: the whole batch, at most 100.
    """

    dependency: str
    quarantine_bucket: str
    namespace: str
    state_table: str
    hold_seconds: float
    retention_seconds: float | None = None
    breaker: BreakerSettings = BreakerSettings()
    concurrency: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing or makes no sense.
        """
        return cls(
            dependency=_required(environment, DEPENDENCY),
            quarantine_bucket=_required(environment, QUARANTINE_BUCKET),
            namespace=_required(environment, METRICS_NAMESPACE),
            state_table=_required(environment, STATE_TABLE),
            hold_seconds=_whole_number(HOLD_SECONDS, _required(environment, HOLD_SECONDS), unit="seconds"),
            retention_seconds=_optional_number(environment, RETENTION_SECONDS, unit="seconds"),
            breaker=_breaker(environment.get(BREAKER)),
            concurrency=_optional_number(environment, CONCURRENCY, unit="records"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencySettings:
    """Where, and for how long, a consumer remembers what it has done.

    Args:
        table: DynamoDB table with the partition key `id` and the time-to-live attribute `expiration`.
        remember_seconds: How long a message is remembered, in seconds.
        scope: First part of every key in the table; consumers that share a table and get the same messages need one
            each. Default: `message`.
        strong: Whether the table is consistent across regions, and so knows neither transactions nor a time to live.
            Default: False.
    """

    table: str
    remember_seconds: int
    scope: str = _SCOPE
    strong: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Read the settings; None where no table is set.

        Raises:
            SettingError: If the time to remember is not a number of seconds above zero, or the consistency is unknown.
        """
        table = environment.get(IDEMPOTENCY_TABLE)
        if not table:
            return None
        consistency = environment.get(STORE_CONSISTENCY) or "regional"
        if consistency not in ("regional", "strong"):
            raise SettingError(f"{STORE_CONSISTENCY} must be 'regional' or 'strong', got {consistency!r}")
        return cls(
            table=table,
            remember_seconds=_whole_number(REMEMBER_SECONDS, _required(environment, REMEMBER_SECONDS), unit="seconds"),
            scope=environment.get(IDEMPOTENCY_SCOPE) or _SCOPE,
            strong=consistency == "strong",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue consumer needs to know.

    Args:
        service: Name of the function's code, the dimension of its metrics.
        queue_url: The queue it consumes.
        max_receive_count: Deliveries after which the queue itself moves a message to the dead-letter queue.
        retention_seconds: How long the queue keeps a message, and so how long one may be held.
        dead_letter_queue_url: Queue for messages that cannot be processed.
        namespace: CloudWatch namespace of the metrics.
        idempotency: Memory of messages done; None where the handler's effect needs none.
        sideline_queue_url: Queue for the messages of tenants that send too many; None where there is none.
    """

    service: str
    queue_url: str
    max_receive_count: int
    retention_seconds: int
    dead_letter_queue_url: str
    namespace: str
    idempotency: IdempotencySettings | None
    sideline_queue_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing or makes no sense.
        """
        return cls(
            service=_required(environment, SERVICE_NAME),
            queue_url=_required(environment, QUEUE_URL),
            max_receive_count=_whole_number(
                MAX_RECEIVE_COUNT, _required(environment, MAX_RECEIVE_COUNT), unit="deliveries"
            ),
            retention_seconds=_whole_number(
                QUEUE_RETENTION_SECONDS, _required(environment, QUEUE_RETENTION_SECONDS), unit="seconds"
            ),
            dead_letter_queue_url=_required(environment, DEAD_LETTER_QUEUE_URL),
            namespace=_required(environment, METRICS_NAMESPACE),
            idempotency=IdempotencySettings.from_environment(environment),
            sideline_queue_url=environment.get(SIDELINE_QUEUE_URL) or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """What a function needs to know that answers requests once.

    Args:
        service: Name of the function's code, the dimension of its metrics.
        namespace: CloudWatch namespace of the metrics.
        idempotency: Memory of requests answered.
    """

    service: str
    namespace: str
    idempotency: IdempotencySettings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing or makes no sense.
        """
        idempotency = IdempotencySettings.from_environment(environment)
        if idempotency is None:
            raise SettingError(f"{IDEMPOTENCY_TABLE} is not set; without the table no request can be answered once")
        return cls(
            service=_required(environment, SERVICE_NAME),
            namespace=_required(environment, METRICS_NAMESPACE),
            idempotency=idempotency,
        )


def _breaker(text: str | None) -> BreakerSettings:
    if not text:
        return BreakerSettings()
    try:
        given = json.loads(text)
        breaker = BreakerSettings(**given)
        sensible = (
            0 < breaker.failure_rate <= 1
            and breaker.minimum_calls >= 1
            and breaker.window_seconds > 0
            and breaker.probe_seconds > 0
            and (breaker.slow_seconds is None or breaker.slow_seconds > 0)
        )
    except (ValueError, TypeError):
        sensible = False
    if not sensible:
        raise SettingError(
            f"{BREAKER} must be a JSON object with failure_rate (above 0, at most 1), minimum_calls, window_seconds, "
            f"slow_seconds and probe_seconds (above 0), each of them optional, got {text!r}"
        )
    return breaker


def _optional_number(environment: Mapping[str, str], name: str, *, unit: str) -> int | None:
    value = environment.get(name)
    return _whole_number(name, value, unit=unit) if value else None


def _whole_number(name: str, value: str, *, unit: str) -> int:
    if not value.isdecimal() or int(value) == 0:
        raise SettingError(f"{name} must be a whole number of {unit} above 0, got {value!r}")
    return int(value)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingError(f"{name} is not set; the construct that owns the function sets it")
    return value
