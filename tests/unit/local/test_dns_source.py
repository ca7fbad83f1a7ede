"""The description of DNS is read from the cloud's own API."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from constructs_lib.local.dns.model import Alias, ApiMapping, CheckType, CustomDomain, HealthCheck, Policy, Record
from constructs_lib.local.dns.source import health_check_from, read_dns, record_from

REGIONS = ("us-east-1", "eu-west-1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


class Gateway:
    """Both APIs of API Gateway in one region: an HTTP API, a REST API, and a custom domain for each."""

    def __init__(self, service: str, region: str) -> None:
        self._of_http_apis = service == "apigatewayv2"
        self._region = region

    def get_domain_names(self) -> dict[str, Any]:
        if self._of_http_apis:
            host = f"d-http.execute-api.{self._region}.amazonaws.com"
            return {
                "Items": [
                    {"DomainName": "api.example.com", "DomainNameConfigurations": [{"ApiGatewayDomainName": host}]}
                ]
            }
        host = f"d-rest.execute-api.{self._region}.amazonaws.com"
        return {"items": [{"domainName": "rest.example.com", "regionalDomainName": host}]}

    def get_api_mappings(self, *, DomainName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        assert DomainName == "api.example.com"
        return {"Items": [{"ApiId": f"{self._region}-api", "Stage": "$default", "ApiMappingKey": "v1"}]}

    def get_base_path_mappings(self, *, domainName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        assert domainName == "rest.example.com"
        return {"items": [{"basePath": "(none)", "restApiId": f"{self._region}-rest", "stage": "prod"}]}


def client(service: str, region: str) -> Any:
    if service.startswith("apigateway"):
        return Gateway(service, region)
    clients: Any = boto3
    return clients.client(service, region_name=region)


def zone_with(*records: dict[str, Any], name: str = "example.com.") -> str:
    route53 = client("route53", "us-east-1")
    zone_id: str = route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
    for record in records:
        route53.change_resource_record_sets(
            HostedZoneId=zone_id, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        )
    return zone_id.rpartition("/")[2]


@pytest.mark.usefixtures("aws")
def test_zones_and_their_records_are_found() -> None:
    """Once, although every region is asked."""
    zone_id = zone_with(
        {
            "Name": "api.example.com.",
            "Type": "CNAME",
            "SetIdentifier": "eu",
            "Region": "eu-west-1",
            "TTL": 60,
            "ResourceRecords": [{"Value": "eu.example.com"}],
        }
    )
    (zone,) = read_dns(client, REGIONS).zones
    assert (zone.zone_id, zone.name) == (zone_id, "example.com")
    assert [record for record in zone.records if record.type == "CNAME"] == [
        Record(
            name="api.example.com",
            type="CNAME",
            policy=Policy.LATENCY,
            set_identifier="eu",
            region="eu-west-1",
            values=("eu.example.com",),
            ttl=60,
        )
    ]


@pytest.mark.usefixtures("aws")
def test_health_checks_are_found() -> None:
    """With their settings."""
    found = client("route53", "us-east-1").create_health_check(
        CallerReference="1",
        HealthCheckConfig={
            "Type": "HTTPS_STR_MATCH",
            "FullyQualifiedDomainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "Port": 443,
            "ResourcePath": "/health",
            "SearchString": '"status":"healthy"',
            "RequestInterval": 10,
            "FailureThreshold": 2,
            "EnableSNI": True,
        },
    )["HealthCheck"]
    assert read_dns(client, REGIONS).health_checks == (
        HealthCheck(
            check_id=found["Id"],
            type=CheckType.HTTPS_STR_MATCH,
            host="abc.execute-api.eu-west-1.amazonaws.com",
            path="/health",
            search_string='"status":"healthy"',
            interval=10,
            failure_threshold=2,
            enable_sni=True,
        ),
    )


@pytest.mark.usefixtures("aws")
def test_custom_domains_of_every_region_are_found() -> None:
    """Of HTTP and of REST APIs, with the APIs behind them."""
    assert read_dns(client, REGIONS).custom_domains == tuple(
        CustomDomain(name=name, host=f"d-{kind}.execute-api.{region}.amazonaws.com", region=region, mappings=(mapping,))
        for region in REGIONS
        for kind, name, mapping in (
            ("rest", "rest.example.com", ApiMapping(base_path="", api_id=f"{region}-rest", stage="prod")),
            ("http", "api.example.com", ApiMapping(base_path="v1", api_id=f"{region}-api", stage="$default")),
        )
    )


@pytest.mark.usefixtures("aws")
def test_what_cannot_be_stood_in_for_is_said() -> None:
    """Once each: private zones, other policies, checks that nothing here can carry out."""
    zone_with(
        {
            "Name": "api.example.com.",
            "Type": "A",
            "SetIdentifier": "eu",
            "MultiValueAnswer": True,
            "TTL": 60,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }
    )
    route53 = client("route53", "us-east-1")
    route53.create_hosted_zone(
        Name="inside.", CallerReference="2", VPC={"VPCRegion": "us-east-1", "VPCId": "vpc-1"},
        HostedZoneConfig={"PrivateZone": True},
    )  # fmt: skip
    check = route53.create_health_check(
        CallerReference="3",
        HealthCheckConfig={
            "Type": "CLOUDWATCH_METRIC",
            "AlarmIdentifier": {"Region": "us-east-1", "Name": "errors"},
            "InsufficientDataHealthStatus": "Unhealthy",
        },
    )["HealthCheck"]["Id"]
    dns = read_dns(client, REGIONS)
    assert [zone.name for zone in dns.zones] == ["example.com"]
    assert sorted(dns.limitations) == sorted(
        (
            f"Health check {check}: no alarm has data here: it is what it says to be without data",
            "api.example.com: records with MultiValueAnswer are not chosen between; it gives no address",
            "inside: a private zone; clients here are outside of every network, and it is left out",
        )
    )


def test_records_have_the_policy_that_their_settings_say() -> None:
    """And an alias has its target."""
    plain: dict[str, Any] = {"Name": "Api.example.com.", "Type": "A"}
    settings: dict[str, dict[str, Any]] = {
        "latency": {"Region": "eu-west-1"},
        "primary": {"Failover": "PRIMARY"},
        "secondary": {"Failover": "SECONDARY"},
        "weighted": {"Weight": 0},
        "several": {"MultiValueAnswer": True},
        "simple": {"AliasTarget": {"DNSName": "D-1.example.com.", "EvaluateTargetHealth": True}},
    }
    found = {kind: record_from(plain | each) for kind, each in settings.items()}
    assert {kind: record.policy for kind, record in found.items()} == {
        "latency": Policy.LATENCY,
        "primary": Policy.FAILOVER,
        "secondary": Policy.FAILOVER,
        "weighted": Policy.WEIGHTED,
        "several": Policy.OTHER,
        "simple": Policy.SIMPLE,
    }
    assert (found["primary"].primary, found["secondary"].primary) == (True, False)
    assert found["simple"].alias == Alias(name="d-1.example.com", evaluate_target_health=True)
    assert found["simple"].name == "api.example.com"


def test_settings_left_out_have_the_defaults_of_aws() -> None:
    """Thirty seconds, three in a row; a path gets its first slash."""
    check = health_check_from("1", {"Type": "HTTP", "IPAddress": "192.0.2.1", "ResourcePath": "health?deep=1"})
    assert (check.interval, check.failure_threshold, check.inverted, check.disabled) == (30, 3, False, False)
    assert (check.host, check.path) == ("192.0.2.1", "/health?deep=1")
    assert health_check_from("1", {"Type": "TCP"}).path == "/"


def test_settings_of_calculated_inverted_and_disabled_checks_are_read() -> None:
    """As CloudFormation may have written them too: numbers as text."""
    check = health_check_from(
        "1",
        {
            "Type": "CALCULATED",
            "ChildHealthChecks": ["2", "3"],
            "HealthThreshold": "1",
            "Inverted": True,
            "Disabled": True,
        },
    )
    assert (check.children, check.health_threshold, check.inverted, check.disabled) == (("2", "3"), 1, True, True)
