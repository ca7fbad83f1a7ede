"""Zones, records and health checks as Route 53 holds them, and the custom domains that records lead to.

Plain descriptions, made by `source` or by hand. Names are in lower case and without their last dot.
"""

from dataclasses import dataclass
from enum import Enum, auto


class CheckType(Enum):
    """What a health check looks at; values are those of Route 53's API."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    HTTP_STR_MATCH = "HTTP_STR_MATCH"
    HTTPS_STR_MATCH = "HTTPS_STR_MATCH"
    TCP = "TCP"
    CALCULATED = "CALCULATED"
    CLOUDWATCH_METRIC = "CLOUDWATCH_METRIC"
    RECOVERY_CONTROL = "RECOVERY_CONTROL"

    @property
    def probes(self) -> bool:
        """Whether an endpoint is asked."""
        return self not in (CheckType.CALCULATED, CheckType.CLOUDWATCH_METRIC, CheckType.RECOVERY_CONTROL)

    @property
    def matches_text(self) -> bool:
        """Whether the answer's body is searched."""
        return self in (CheckType.HTTP_STR_MATCH, CheckType.HTTPS_STR_MATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One health check. Defaults are those of Route 53's API.

    Attributes:
        check_id: Its id.
        type: What it looks at.
        host: Name or address of the endpoint.
        path: Path and query asked for.
        search_string: Text the body must hold, for the types that search it.
        interval: Seconds from an answer to the next request.
        failure_threshold: Results in a row that change the status.
        inverted: Healthy counts as unhealthy and the other way round.
        disabled: Nothing is asked and the check is healthy.
        enable_sni: The TLS handshake names the host.
        children: Ids of the checks that a calculated one counts.
        health_threshold: How many children must be healthy.
        insufficient_data: What a check on an alarm is without data: Healthy, Unhealthy or LastKnownStatus.
    """

    check_id: str
    type: CheckType
    host: str = ""
    path: str = "/"
    search_string: str = ""
    interval: int = 30
    failure_threshold: int = 3
    inverted: bool = False
    disabled: bool = False
    enable_sni: bool = False
    children: tuple[str, ...] = ()
    health_threshold: int = 0
    insufficient_data: str = "LastKnownStatus"


class Policy(Enum):
    """How one record of a group is chosen."""

    SIMPLE = auto()
    WEIGHTED = auto()
    LATENCY = auto()
    FAILOVER = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Where an alias record leads: a record of the same zone, or the name of an AWS resource."""

    name: str
    evaluate_target_health: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One resource record set.

    Attributes:
        name: Name it answers for.
        type: `A`, `AAAA`, `CNAME` ...
        policy: How it is chosen among those of its name and type.
        set_identifier: Tells it from the others; empty for a simple one.
        region: Region of a latency record.
        primary: Whether a failover record is the primary one.
        weight: 0 to 255, of a weighted record.
        health_check_id: Its health check; empty for none.
        alias: Where an alias record leads; None for a record with values.
        values: Its values.
        ttl: Seconds a resolver may keep the answer; an alias record has none of its own.
    """

    name: str
    type: str
    policy: Policy = Policy.SIMPLE
    set_identifier: str = ""
    region: str = ""
    primary: bool = False
    weight: int = 0
    health_check_id: str = ""
    alias: Alias | None = None
    values: tuple[str, ...] = ()
    ttl: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A public hosted zone."""

    zone_id: str
    name: str
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiMapping:
    """Requests below *base_path* (empty: all) go to a stage of an API."""

    base_path: str
    api_id: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomDomain:
    """A custom domain of API Gateway in one region: its name, and the regional host that records lead to."""

    name: str
    host: str
    region: str
    mappings: tuple[ApiMapping, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Everything the front door needs to know.

    Attributes:
        zones: Public hosted zones.
        health_checks: Health checks.
        custom_domains: Custom domains of every region.
        limitations: What was found and cannot be stood in for, a sentence each.
    """

    zones: tuple[Zone, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    custom_domains: tuple[CustomDomain, ...] = ()
    limitations: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    r"""*name* in lower case and without its last dot; `\052` is how Route 53 writes an asterisk."""
    return name.lower().removesuffix(".").replace("\\052", "*")
