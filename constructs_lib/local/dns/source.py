"""Reads the description of zones, records, health checks and custom domains from the cloud, over its public API."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from constructs_lib.local.dns.model import (
    Alias,
    ApiMapping,
    CheckType,
    CustomDomain,
    Dns,
    HealthCheck,
    Policy,
    Record,
    Zone,
    plain_name,
)

Client = Callable[[str, str], Any]
"""Makes a boto3 client from the name of a service and a region."""

_OTHER_POLICIES = ("GeoLocation", "GeoProximityLocation", "CidrRoutingConfig", "MultiValueAnswer")
_NOT_CARRIED_OUT = {
    CheckType.CLOUDWATCH_METRIC: "no alarm has data here: it is what it says to be without data",
    CheckType.RECOVERY_CONTROL: "there are no routing controls here: it is healthy",
}


def read_dns(client: Client, regions: Sequence[str]) -> Dns:
    """What Route 53 and API Gateway hold.

    On AWS Route 53 is one for all regions. Here each region may have an emulator of its own, which holds what the
    stacks of that region made; zones of one id are put together.

    Args:
        client: Makes clients; one for `route53` must speak to the emulator of the region it is asked for.
        regions: Regions to ask.
    """
    zones: dict[str, tuple[str, dict[Record, None]]] = {}
    checks: dict[str, HealthCheck] = {}
    limitations: dict[str, None] = {}
    for region in regions:
        route53 = client("route53", region)
        for found in _pages(route53, "list_hosted_zones", "HostedZones"):
            name = plain_name(found["Name"])
            if found.get("Config", {}).get("PrivateZone"):
                limitations[
                    f"{name}: a private zone; clients here are outside of every network, and it is left out"
                ] = None
                continue
            records = zones.setdefault(found["Id"].rpartition("/")[2], (name, {}))[1]
            for each in _pages(route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=found["Id"]):
                record = record_from(each)
                records[record] = None
                if record.policy is Policy.OTHER:
                    kind = next(key for key in _OTHER_POLICIES if each.get(key))
                    limitations[f"{record.name}: records with {kind} are not chosen between; it gives no address"] = (
                        None
                    )
        for each in _pages(route53, "list_health_checks", "HealthChecks"):
            check = health_check_from(each["Id"], each["HealthCheckConfig"])
            checks[check.check_id] = check
            if check.type in _NOT_CARRIED_OUT:
                limitations[f"Health check {check.check_id}: {_NOT_CARRIED_OUT[check.type]}"] = None
    return Dns(
        zones=tuple(Zone(zone_id=key, name=name, records=tuple(records)) for key, (name, records) in zones.items()),
        health_checks=tuple(checks.values()),
        custom_domains=tuple(domain for region in regions for domain in _custom_domains(client, region)),
        limitations=tuple(limitations),
    )


def record_from(found: Mapping[str, Any]) -> Record:
    """A record from what ListResourceRecordSets says of it."""
    if "Region" in found:
        policy = Policy.LATENCY
    elif "Failover" in found:
        policy = Policy.FAILOVER
    elif "Weight" in found:
        policy = Policy.WEIGHTED
    else:
        policy = Policy.OTHER if any(found.get(key) for key in _OTHER_POLICIES) else Policy.SIMPLE
    alias = found.get("AliasTarget")
    return Record(
        name=plain_name(found["Name"]),
        type=found["Type"],
        policy=policy,
        set_identifier=found.get("SetIdentifier", ""),
        region=found.get("Region", ""),
        primary=found.get("Failover") == "PRIMARY",
        weight=found.get("Weight", 0),
        health_check_id=found.get("HealthCheckId", ""),
        alias=Alias(name=plain_name(alias["DNSName"]), evaluate_target_health=alias["EvaluateTargetHealth"])
        if alias
        else None,
        values=tuple(each["Value"] for each in found.get("ResourceRecords", ())),
        ttl=found.get("TTL", 0),
    )


def health_check_from(check_id: str, config: Mapping[str, Any]) -> HealthCheck:
    """A health check from its HealthCheckConfig, as the API and CloudFormation have it."""
    path = config.get("ResourcePath", "")
    return HealthCheck(
        check_id=check_id,
        type=CheckType(config["Type"]),
        host=plain_name(config.get("IPAddress") or config.get("FullyQualifiedDomainName", "")),
        # Route 53 adds the first slash where there is none.
        path=path if path.startswith("/") else f"/{path}",
        search_string=config.get("SearchString", ""),
        interval=int(config.get("RequestInterval", 30)),
        failure_threshold=int(config.get("FailureThreshold", 3)),
        inverted=bool(config.get("Inverted", False)),
        disabled=bool(config.get("Disabled", False)),
        enable_sni=bool(config.get("EnableSNI", False)),
        children=tuple(config.get("ChildHealthChecks", ())),
        health_threshold=int(config.get("HealthThreshold", 0)),
        insufficient_data=config.get("InsufficientDataHealthStatus", "LastKnownStatus"),
    )


def _custom_domains(client: Client, region: str) -> Iterable[CustomDomain]:
    """The custom domains of a region by host: those of HTTP APIs, and those that only the API of REST APIs lists."""
    found = {domain.host: domain for domain in _rest_domains(client("apigateway", region), region)}
    return (found | {domain.host: domain for domain in _http_domains(client("apigatewayv2", region), region)}).values()


def _http_domains(api_gateway: Any, region: str) -> Iterator[CustomDomain]:
    for domain in api_gateway.get_domain_names()["Items"]:
        name = domain["DomainName"]
        mappings = tuple(
            ApiMapping(base_path=each.get("ApiMappingKey") or "", api_id=each["ApiId"], stage=each["Stage"])
            for each in api_gateway.get_api_mappings(DomainName=name)["Items"]
        )
        for configuration in domain["DomainNameConfigurations"]:
            host = plain_name(configuration.get("ApiGatewayDomainName", ""))
            if host and mappings:
                yield CustomDomain(name=plain_name(name), host=host, region=region, mappings=mappings)


def _rest_domains(api_gateway: Any, region: str) -> Iterator[CustomDomain]:
    for domain in api_gateway.get_domain_names().get("items", ()):
        name = domain["domainName"]
        mappings = tuple(
            ApiMapping(
                base_path="" if each.get("basePath", "(none)") == "(none)" else each["basePath"],
                api_id=each["restApiId"],
                stage=each["stage"],
            )
            for each in api_gateway.get_base_path_mappings(domainName=name).get("items", ())
        )
        host = plain_name(domain.get("regionalDomainName", ""))
        if host and mappings:
            yield CustomDomain(name=plain_name(name), host=host, region=region, mappings=mappings)


def _pages(client: Any, operation: str, result: str, **parameters: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[result]
