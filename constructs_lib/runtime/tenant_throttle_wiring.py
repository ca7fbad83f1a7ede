"""The real parts of a tenant throttle, from what its construct says in the environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.settings import METRICS_NAMESPACE, SERVICE_NAME, TENANT_THROTTLE, SettingError
from constructs_lib.runtime.tenant_throttle import TenantThrottle
from constructs_lib.runtime.tenant_throttle_leases import Leases, RateLimit
from constructs_lib.runtime.tenant_throttle_store import BRIEFLY, DynamoLeases


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """What a throttle needs to know.

    Args:
        service: Name of the function's code, the dimension of its metrics.
        namespace: CloudWatch namespace of the metrics.
        table: Table of the token buckets.
        hard: Above it requests are refused.
        fair: Above it they go aside. None: none do.
    """

    service: str
    namespace: str
    table: str
    hard: RateLimit
    fair: RateLimit | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingError: If one is missing or makes no sense.
        """
        for name in (SERVICE_NAME, METRICS_NAMESPACE, TENANT_THROTTLE):
            if not environment.get(name):
                raise SettingError(f"{name} is not set; the construct that owns the function sets it")
        try:
            given = json.loads(environment[TENANT_THROTTLE])
            rate, burst, environments = given["rate_per_second"], given["burst"], given["environments"]
            sideline_above = given.get("sideline_above")
            hard = limit("hard", rate, burst, environments)
            fair = (
                limit("fair", sideline_above, burst * sideline_above / rate, environments) if sideline_above else None
            )
            table = str(given["table"])
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise SettingError(
                f"{TENANT_THROTTLE} must be a JSON object with table, rate_per_second, burst, environments and, if "
                f"requests go aside, sideline_above, all but the table numbers above 0; got "
                f"{environment[TENANT_THROTTLE]!r}"
            ) from error
        return cls(
            service=environment[SERVICE_NAME],
            namespace=environment[METRICS_NAMESPACE],
            table=table,
            hard=hard,
            fair=fair,
        )


def limit(name: str, per_second: float, burst: float, environments: int) -> RateLimit:
    """A limit whose leases are so large that all environments together hold half a burst at most."""
    if per_second <= 0:
        raise ValueError(f"{name}: {per_second} tokens per second")
    tokens = max(1, int(burst))
    return RateLimit(name=name, per_second=per_second, burst=tokens, lease=max(1, tokens // (2 * environments)))


def from_environment() -> TenantThrottle:
    """Make the throttle from the function's environment settings."""
    settings = ThrottleSettings.from_environment()
    watch = JsonWatch(namespace=settings.namespace, dimensions={"service": settings.service})
    store = DynamoLeases(client("dynamodb", config=BRIEFLY), settings.table, watch=watch)
    fair = Leases(settings.fair, store) if settings.fair else None
    return TenantThrottle(hard=Leases(settings.hard, store), fair=fair, watch=watch)
