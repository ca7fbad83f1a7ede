"""The environment settings that constructs give to their functions, as the runtime reads them on the first event."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

DEPENDENCY = "RESILIENCE_DEPENDENCY"
QUARANTINE_BUCKET = "RESILIENCE_QUARANTINE_BUCKET"
DEAD_LETTER_QUEUE_URL = "RESILIENCE_DEAD_LETTER_QUEUE_URL"
IDEMPOTENCY_TABLE = "RESILIENCE_IDEMPOTENCY_TABLE"
REMEMBER_SECONDS = "RESILIENCE_REMEMBER_SECONDS"
HEALTH_PROBES = "RESILIENCE_HEALTH_PROBES"

# Read by Powertools; named here because the runtime's metrics and logs depend on them.
SERVICE_NAME = "POWERTOOLS_SERVICE_NAME"
METRICS_NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"


class SettingError(Exception):
    """The function's environment lacks a setting or holds one that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What a stream consumer needs to know.

    Args:
        dependency: Name of the external dependency this function talks to.
        quarantine_bucket: Bucket for records that cannot be processed.
        namespace: CloudWatch namespace of the metrics.
    """

    dependency: str
    quarantine_bucket: str
    namespace: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing.
        """
        return cls(
            dependency=_required(environment, DEPENDENCY),
            quarantine_bucket=_required(environment, QUARANTINE_BUCKET),
            namespace=_required(environment, METRICS_NAMESPACE),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencySettings:
    """Where, and for how long, a queue consumer remembers what it has done.

    Args:
        table: DynamoDB table with the partition key `id` and the time-to-live attribute `expiration`.
        remember_seconds: How long a message is remembered, in seconds.
    """

    table: str
    remember_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue consumer needs to know.

    Args:
        service: Name of the function's code, the dimension of its metrics.
        dead_letter_queue_url: Queue for messages that cannot be processed.
        namespace: CloudWatch namespace of the metrics.
        idempotency: Memory of messages done; None where the handler needs no guard against copies.
    """

    service: str
    dead_letter_queue_url: str
    namespace: str
    idempotency: IdempotencySettings | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing, or the time to remember is not a number of seconds above zero.
        """
        return cls(
            service=_required(environment, SERVICE_NAME),
            dead_letter_queue_url=_required(environment, DEAD_LETTER_QUEUE_URL),
            namespace=_required(environment, METRICS_NAMESPACE),
            idempotency=_idempotency(environment),
        )


def _idempotency(environment: Mapping[str, str]) -> IdempotencySettings | None:
    table = environment.get(IDEMPOTENCY_TABLE)
    if not table:
        return None
    seconds = _required(environment, REMEMBER_SECONDS)
    if not seconds.isdecimal() or int(seconds) == 0:
        raise SettingError(f"{REMEMBER_SECONDS} must be a whole number of seconds above 0, got {seconds!r}")
    return IdempotencySettings(table=table, remember_seconds=int(seconds))


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingError(f"{name} is not set; the construct that owns the function sets it")
    return value
