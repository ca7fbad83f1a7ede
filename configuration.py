"""What cdk.json says about the alerting system, checked before anything is built from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import region_info

from constructs_lib.multi_region_api import ApiDomain

DEPENDENCIES = ("slack", "teams")
# Invocations that work off what waits aside; 40 events per second at a second per batch of 10.
SIDELINE_CONCURRENCY = 4
TENANT_LIMITS: Mapping[str, int] = {
    # A tenth of what ten invocations work off at a second per batch of 10: no tenant alone makes others wait.
    "sideline_above": 10,
    # With the fair rate taken off, what the sideline works off: a flood just below it never grows old there.
    "rate_per_second": 50,
    # An outage begins with a storm of alarms, and a storm is what the system is for: it takes 100 seconds of the rate
    # at once, 1000 events of them not aside.
    "burst": 5000,
}


class ConfigurationError(ValueError):
    """cdk.json asks for something that cannot be built; the message names the key, the value and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The part of cdk.json under `alerting`.

    Attributes:
        account: AWS account id. None: the account that the credentials belong to.
        regions: Where the system runs; the first is the home of the tables.
        domain: Name under which the nearest healthy region answers. None: one address per region.
        dependencies: Providers that tenants may choose.
        operator_emails: Who hears of the system's own alarms.
        escalation_wait_minutes: How long somebody may take to react before the next level.
        ingest_concurrency: Invocations kept free for accepting events. None: none are, as a new account demands.
        tenant_limits: Events per second of one tenant in one region that are taken, and taken aside, and the
            environments that count them: options of `TenantThrottle`.
        health_concurrency: Invocations kept free for health checks. None: none are.
        outside: Settings by function that replace the providers' real addresses; empty on AWS.
    """

    account: str | None
    regions: Sequence[str]
    domain: ApiDomain | None
    dependencies: Sequence[str]
    operator_emails: Sequence[str]
    escalation_wait_minutes: int
    ingest_concurrency: int | None
    tenant_limits: Mapping[str, int]
    health_concurrency: int | None
    outside: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, app: cdk.App) -> "Configuration":
        """Read and check the context of *app*."""
        # What is null in cdk.json does not come through.
        given: Mapping[str, Any] = app.node.get_context("alerting")
        for name in ("domain", "tenant_limits"):
            if text := app.node.try_get_context(f"alerting.{name}"):
                # From the command line, where everything is text.
                given = {**given, name: from_text(f"alerting.{name}", text)}
        local = one_of("target", app.node.try_get_context("target") or "aws", ("aws", "local")) == "local"
        concurrency: Mapping[str, Any] = given.get("reserved_concurrency") or {}
        ingest = reserved("ingest", concurrency)
        return cls(
            # An account that is nobody's: what was made for this machine cannot be deployed to AWS by mistake.
            account="000000000000" if local else given.get("account"),
            regions=distinct("alerting.regions", given["regions"], region_info.Fact.regions),
            domain=domain_of(given.get("domain")),
            dependencies=distinct("alerting.dependencies", given["dependencies"], DEPENDENCIES),
            operator_emails=given["operator_emails"],
            escalation_wait_minutes=positive("alerting.escalation_wait_minutes", given["escalation_wait_minutes"]),
            ingest_concurrency=ingest,
            tenant_limits=tenant_limits(given.get("tenant_limits") or {})
            | ({} if ingest is None else {"environments": ingest}),
            health_concurrency=reserved("health", concurrency),
            outside=standins(app.node.get_context("standins")) if local else {},
        )


def standins(url: str) -> Mapping[str, Mapping[str, str]]:
    """Settings, by function, that put the stand-ins at *url* in the place of the providers."""
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        raise ConfigurationError(f"standins must be an address on 127.0.0.1, got {url!r}; for AWS omit the target")
    return {
        "ingest": {"SNS_CERTIFICATE_ORIGIN": f"{url}/sns"},
        "notify_slack": {"SLACK_API_URL": f"{url}/slack/api"},
        "notify_teams": {"TEAMS_LOGIN_URL": f"{url}/teams/login", "TEAMS_SERVICE_URL": f"{url}/teams"},
    }


def from_text(key: str, text: str) -> Any:
    """What the JSON *text* says."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{key} must be JSON on the command line, got {text!r} ({error})") from error


def one_of(key: str, value: str, allowed: Sequence[str]) -> str:
    """*value*, if it is one of *allowed*."""
    if value not in allowed:
        raise ConfigurationError(f"{key} must be one of {', '.join(sorted(allowed))}; got {value!r}")
    return value


def distinct(key: str, values: Sequence[str], allowed: Sequence[str]) -> Sequence[str]:
    """*values*, if there are any, each is allowed, and none stands there twice."""
    if not values:
        raise ConfigurationError(f"{key} is empty; name at least one of {', '.join(sorted(allowed))}")
    for index, value in enumerate(values):
        if one_of(f"{key}[{index}]", value, allowed) in values[:index]:
            raise ConfigurationError(f"{key}[{index}] names {value!r} a second time; remove it")
    return values


def positive(key: str, value: object) -> int:
    """*value*, if it is a whole number from 1."""
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{key} must be a whole number from 1, got {value!r}")
    return value


def reserved(function: str, concurrency: Mapping[str, Any]) -> int | None:
    """Invocations kept free for *function*; None where the account has none to spare."""
    given = concurrency.get(function)
    return None if given is None else positive(f"alerting.reserved_concurrency.{function}", given)


def tenant_limits(given: Mapping[str, object]) -> dict[str, int]:
    """The limits of every tenant: *given* ones, and the defaults of the others."""
    for name in given:
        one_of("alerting.tenant_limits", name, tuple(TENANT_LIMITS))
    limits = {
        name: positive(f"alerting.tenant_limits.{name}", given.get(name, default))
        for name, default in TENANT_LIMITS.items()
    }
    if not limits["sideline_above"] < limits["rate_per_second"] <= limits["burst"]:
        raise ConfigurationError(
            "alerting.tenant_limits must have sideline_above below rate_per_second and that not above burst, got "
            + ", ".join(f"{name} {limit}" for name, limit in limits.items())
        )
    return limits


def domain_of(given: Mapping[str, str] | None) -> ApiDomain | None:
    """The domain with the hosted zone that answers for it; None when there is none."""
    keys = {"name", "hosted_zone_id", "hosted_zone_name"}
    if given is not None and given.keys() != keys:
        raise ConfigurationError(
            f"alerting.domain must be null or hold exactly {', '.join(sorted(keys))}; got {', '.join(sorted(given))}"
        )
    try:
        return None if given is None else ApiDomain(**given)
    except ValueError as error:
        raise ConfigurationError(f"alerting.domain: {error}") from error
