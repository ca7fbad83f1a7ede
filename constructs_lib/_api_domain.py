"""One name for an API in several regions: certificate, custom domain, health check and latency record of one region."""

from dataclasses import dataclass

from aws_cdk import Duration, Stack, Token
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from constructs_lib._checks import matches

_HOST_NAME = r"(?=.{1,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?"

# With three failures in a row a region is out of DNS after about half a minute, and one lost packet takes nothing out.
_INTERVAL_SECONDS = 10
_FAILURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDomain:
    """The name under which all regions' APIs are reached, and the zone it stands in.

    Attributes:
        name: Host name, in lower case: "alerts.example.com".
        hosted_zone_id: Id of the public Route 53 zone, "Z..." .
        hosted_zone_name: Name of that zone: "example.com".

    Raises:
        ValueError: If one of them is not possible, or *name* is not in the zone.
    """

    name: str
    hosted_zone_id: str
    hosted_zone_name: str

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        host = {"pattern": _HOST_NAME, "allowed": "a host name in lower case", "way_out": "write it like 'example.com'"}
        matches("name", self.name, **host)
        matches("hosted_zone_name", self.hosted_zone_name, **host)
        matches(
            "hosted_zone_id",
            self.hosted_zone_id,
            r"Z[A-Z0-9]{1,31}",
            allowed="the id of a Route 53 zone, 'Z' and capital letters or digits",
            way_out="find it with: aws route53 list-hosted-zones",
        )
        if Token.is_unresolved(self.name) or Token.is_unresolved(self.hosted_zone_name):
            return
        if self.name != self.hosted_zone_name and not self.name.endswith(f".{self.hosted_zone_name}"):
            raise ValueError(
                f"name must be in the zone {self.hosted_zone_name!r} or below it, got {self.name!r}; "
                "change it, or name the zone that holds it"
            )


class RegionalDomain(Construct):
    """One region's share of an `ApiDomain`.

    The health check asks the region's own endpoint, not the shared name: under the shared name it would be steered
    away from the very region it is to judge.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        domain: The shared name.
        api: The region's API, which answers GET /health.
        healthy: Text in the answer of a healthy region.

    Attributes:
        domain_name: The custom domain, to map a stage to.
        certificate: Its certificate, proven by DNS.
        health_check: What decides whether DNS names this region.
        record: The region's answer in DNS.
    """

    def __init__(self, scope: Construct, id: str, *, domain: ApiDomain, api: apigateway.HttpApi, healthy: str) -> None:
        super().__init__(scope, id)
        region = Stack.of(self).region
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=domain.hosted_zone_id, zone_name=domain.hosted_zone_name
        )
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=domain.name,
            validation=acm.CertificateValidation.from_dns(zone),
        )
        self.domain_name = apigateway.DomainName(
            self,
            "DomainName",
            domain_name=domain.name,
            certificate=self.certificate,
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        self.health_check = route53.HealthCheck(
            self,
            "HealthCheck",
            type=route53.HealthCheckType.HTTPS_STR_MATCH,
            fqdn=f"{api.api_id}.execute-api.{region}.{Stack.of(self).url_suffix}",
            port=443,
            resource_path="/health",
            search_string=healthy,
            request_interval=Duration.seconds(_INTERVAL_SECONDS),
            failure_threshold=_FAILURES,
            enable_sni=True,
        )
        self.record = route53.ARecord(
            self,
            "Record",
            zone=zone,
            record_name=f"{domain.name}.",
            target=route53.RecordTarget.from_alias(
                targets.ApiGatewayv2DomainProperties(
                    self.domain_name.regional_domain_name, self.domain_name.regional_hosted_zone_id
                )
            ),
            region=region,
            set_identifier=region,
            health_check=self.health_check,
        )
