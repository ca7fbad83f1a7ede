"""MultiRegionApi: an HTTP API that a region can lose without its callers losing the API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_sqs as sqs

from constructs_lib import GlobalTable, MultiRegionApi, PythonFunction
from constructs_lib.multi_region_api import ApiDomain, HealthProbe
from constructs_lib.testing.findings import findings
from tests.support.synthesis import NO_BUNDLING, new_stack, only, resources, statements

DOMAIN = ApiDomain(name="orders.example.com", hosted_zone_id="Z0123456789", hosted_zone_name="example.com")


def flat(value: Any) -> str:
    """A CloudFormation value as text, references by their logical id."""
    if isinstance(value, dict):
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            return "".join(flat(part) for part in argument[1])
        return argument if isinstance(argument, str) else ".".join(argument)
    return str(value)


def test_without_a_domain_each_region_answers_under_its_own_url() -> None:
    """There is an API with one stage, and nothing of Route 53 or ACM."""
    stack = new_stack()
    api = MultiRegionApi(stack, "Api")
    (api_id,) = resources(stack, "AWS::ApiGatewayV2::Api")
    assert flat(stack.resolve(api.url)) == f"{api_id}.ApiEndpoint"
    assert api.url == api.regional_url
    assert only(stack, "AWS::ApiGatewayV2::Stage")["StageName"] == "$default"
    for kind in (
        "Route53::RecordSet",
        "Route53::HealthCheck",
        "CertificateManager::Certificate",
        "ApiGatewayV2::DomainName",
    ):
        assert resources(stack, f"AWS::{kind}") == {}


@pytest.mark.requirement("MRG-26")
def test_domain_zone_and_region_are_configuration_only() -> None:
    """The same code gives every region and every domain its own certificate, custom domain and record."""
    for region, domain in (
        ("eu-west-1", DOMAIN),
        ("us-east-1", ApiDomain(name="example.org", hosted_zone_id="ZOTHER", hosted_zone_name="example.org")),
    ):
        stack = new_stack(region)
        api = MultiRegionApi(stack, "Api", domain=domain)
        assert api.url == f"https://{domain.name}"
        certificate = only(stack, "AWS::CertificateManager::Certificate")
        assert certificate["DomainValidationOptions"] == [
            {"DomainName": domain.name, "HostedZoneId": domain.hosted_zone_id}
        ]
        record = only(stack, "AWS::Route53::RecordSet")
        assert (record["Name"], record["HostedZoneId"]) == (f"{domain.name}.", domain.hosted_zone_id)
        assert record["Region"] == region


def test_dns_names_the_nearest_healthy_region() -> None:
    """Each region has a latency record with an identifier of its own, which its own health check takes out."""
    identifiers = set()
    for region in ("eu-west-1", "us-east-1"):
        stack = new_stack(region)
        MultiRegionApi(stack, "Api", domain=DOMAIN)
        record = only(stack, "AWS::Route53::RecordSet")
        (check_id,) = resources(stack, "AWS::Route53::HealthCheck")
        (name_id,) = resources(stack, "AWS::ApiGatewayV2::DomainName")
        assert (record["Type"], record["Region"]) == ("A", region)
        assert record["HealthCheckId"] == {"Ref": check_id}
        assert record["AliasTarget"]["DNSName"] == {"Fn::GetAtt": [name_id, "RegionalDomainName"]}
        identifiers.add(record["SetIdentifier"])
    assert len(identifiers) == 2


def test_dns_names_a_region_only_while_all_of_it_is_there(code: Path) -> None:
    """A new health check counts as healthy at first, and SNS drops what a half-made region answers with 404."""
    stack = new_stack()
    MultiRegionApi(stack, "Api", domain=DOMAIN).add_route("POST /orders", PythonFunction(stack, "Greet", source=code))
    (record,) = resources(stack, "AWS::Route53::RecordSet").values()
    for kind in ("ApiMapping", "Route", "Integration"):
        assert resources(stack, f"AWS::ApiGatewayV2::{kind}").keys() <= set(record["DependsOn"])
    assert resources(stack, "AWS::Lambda::Permission").keys() <= set(record["DependsOn"])


def test_a_region_is_judged_by_its_own_endpoint() -> None:
    """The check asks /health of this region's API, not of the shared name, every ten seconds, and reads the answer."""
    stack = new_stack()
    MultiRegionApi(stack, "Api", domain=DOMAIN)
    check = only(stack, "AWS::Route53::HealthCheck")["HealthCheckConfig"]
    (api_id,) = resources(stack, "AWS::ApiGatewayV2::Api")
    assert flat(check["FullyQualifiedDomainName"]) == f"{api_id}.execute-api.eu-west-1.AWS::URLSuffix"
    assert (check["Type"], check["Port"], check["ResourcePath"]) == ("HTTPS_STR_MATCH", 443, "/health")
    assert (check["RequestInterval"], check["FailureThreshold"]) == (10, 3)
    assert check["SearchString"] == '"status":"healthy"'


@pytest.mark.requirement("SEC-02")
def test_the_shared_name_takes_modern_tls_only() -> None:
    """The custom domain is regional, has the region's own certificate, and maps to the only stage."""
    stack = new_stack()
    MultiRegionApi(stack, "Api", domain=DOMAIN)
    (certificate_id,) = resources(stack, "AWS::CertificateManager::Certificate")
    (name_id,) = resources(stack, "AWS::ApiGatewayV2::DomainName")
    assert only(stack, "AWS::ApiGatewayV2::DomainName")["DomainNameConfigurations"] == [
        {"CertificateArn": {"Ref": certificate_id}, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ]
    assert only(stack, "AWS::ApiGatewayV2::ApiMapping")["DomainName"] == {"Ref": name_id}


def test_regions_differ_in_their_region_only() -> None:
    """Logical ids do not depend on the stack's name, so a region's template is every region's."""

    def logical_ids(region: str, name: str) -> set[str]:
        stack = new_stack(region, name=name)
        MultiRegionApi(stack, "Api", domain=DOMAIN)
        return set(cdk.assertions.Template.from_stack(stack).to_json()["Resources"])

    assert logical_ids("eu-west-1", "Ireland") == logical_ids("us-east-1", "Virginia")


@pytest.mark.requirement("MRG-04")
@pytest.mark.requirement("SEC-01")
def test_health_may_do_what_its_probes_do_and_no_more() -> None:
    """The function knows and may touch exactly the stores named, in its own region."""
    stack = new_stack()
    queue, stream = sqs.Queue(stack, "Queue"), kinesis.Stream(stack, "Stream")
    table = GlobalTable.in_region(stack, "Orders", "orders")
    api = MultiRegionApi(
        stack,
        "Api",
        probes=[
            HealthProbe.table(table, {"id": "health#eu-west-1"}),
            HealthProbe.queue(queue),
            HealthProbe.stream(stream, name="events"),
        ],
    )
    settings = json.loads(
        flat(only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]["RESILIENCE_HEALTH_PROBES"])
    )
    queue_id, stream_id = (stack.get_logical_id(_resource(each)) for each in (queue, stream))
    assert settings == [
        {"name": "table Orders", "kind": "table", "table": "orders", "key": {"id": "health#eu-west-1"}},
        {"name": "queue Queue", "kind": "queue", "queue": queue_id},
        {"name": "events", "kind": "stream", "stream": stream_id},
    ]
    granted = {str(each["Action"]): flat(each["Resource"]) for each in statements(stack) if "xray" not in str(each)}
    logs_id = stack.get_logical_id(_resource(api.health_function.log_group))
    assert granted == {
        "['logs:CreateLogStream', 'logs:PutLogEvents']": f"{logs_id}.Arn",
        "['dynamodb:UpdateItem', 'dynamodb:GetItem']": (
            "arn:AWS::Partition:dynamodb:eu-west-1:AWS::AccountId:table/orders"
        ),
        "sqs:GetQueueAttributes": f"{queue_id}.Arn",
        "kinesis:DescribeStreamSummary": f"{stream_id}.Arn",
    }


def test_overload_does_not_turn_a_region_red() -> None:
    """Health has concurrency of its own and a limit of its own, whatever the other routes get."""
    stack = new_stack()
    MultiRegionApi(stack, "Api", rate_limit=10, burst_limit=20, health_concurrency=3)
    assert only(stack, "AWS::Lambda::Function")["ReservedConcurrentExecutions"] == 3
    stage = only(stack, "AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20}
    assert stage["RouteSettings"] == {"GET /health": {"ThrottlingRateLimit": 200, "ThrottlingBurstLimit": 200}}


def test_a_limit_waits_for_its_route() -> None:
    """CloudFormation makes the health route before the stage that limits it, or the service would refuse."""
    stack = new_stack()
    MultiRegionApi(stack, "Api")
    (stage,) = resources(stack, "AWS::ApiGatewayV2::Stage").values()
    (route_id,) = resources(stack, "AWS::ApiGatewayV2::Route")
    assert route_id in stage["DependsOn"]


def test_a_route_leads_to_its_function(code: Path) -> None:
    """A route has its function as target, and the API may call that function for that route."""
    stack = new_stack()
    function = PythonFunction(stack, "Greet", source=code)
    MultiRegionApi(stack, "Api").add_route("ANY /greetings/{name}", function)
    function_id = stack.get_logical_id(_resource(function))
    routes = {
        each["Properties"]["RouteKey"]: flat(each["Properties"]["Target"]).removeprefix("integrations/")
        for each in resources(stack, "AWS::ApiGatewayV2::Route").values()
    }
    integration = resources(stack, "AWS::ApiGatewayV2::Integration")[routes["ANY /greetings/{name}"]]["Properties"]
    assert integration["IntegrationUri"] == {"Fn::GetAtt": [function_id, "Arn"]}
    assert integration["PayloadFormatVersion"] == "2.0"
    (permission,) = (
        each["Properties"]
        for each in resources(stack, "AWS::Lambda::Permission").values()
        if each["Properties"]["FunctionName"] == {"Fn::GetAtt": [function_id, "Arn"]}
    )
    assert flat(permission["SourceArn"]).endswith("/*/*/greetings/{name}")


def test_every_request_leaves_a_line_without_its_secrets() -> None:
    """The access log says who asked for which route and how it went, not the query string or headers."""
    stack = new_stack()
    MultiRegionApi(stack, "Api")
    settings = only(stack, "AWS::ApiGatewayV2::Stage")["AccessLogSettings"]
    assert {"requestId", "routeKey", "status", "responseLatency"} <= json.loads(settings["Format"]).keys()
    assert "query" not in settings["Format"].lower()
    log_group = resources(stack, "AWS::Logs::LogGroup")[flat(settings["DestinationArn"]).removesuffix(".Arn")]
    # Others fill up the account's resource policy for logs, until no stage can be made any more.
    assert log_group["Properties"]["LogGroupName"].startswith("/aws/vendedlogs/")


def test_alarms_watch_this_api_and_its_health_function() -> None:
    """Server errors and slow answers are watched for this API, and the health function's alarms are among them."""
    stack = new_stack()
    api = MultiRegionApi(stack, "Api")
    (api_id,) = resources(stack, "AWS::ApiGatewayV2::Api")
    watched = {
        each["Properties"]["MetricName"]: each["Properties"]["Dimensions"]
        for each in resources(stack, "AWS::CloudWatch::Alarm").values()
        if each["Properties"]["Namespace"] == "AWS/ApiGateway"
    }
    own_api = [{"Name": "ApiId", "Value": {"Ref": api_id}}]
    assert watched == {"5xx": own_api, "Latency": own_api}
    assert set(api.health_function.alarms) < set(api.alarms)
    assert len(api.alarms) == 4


@pytest.mark.requirement("LIB-05")
def test_inner_resources_are_public() -> None:
    """API, stage, health function, and the parts of the domain are there to be changed or used."""
    api = MultiRegionApi(new_stack(), "Api", domain=DOMAIN)
    assert isinstance(api.api, apigateway.HttpApi)
    assert isinstance(api.stage, apigateway.HttpStage)
    assert isinstance(api.health_function, PythonFunction)
    assert api.regional_domain is not None
    assert isinstance(api.regional_domain.health_check, cdk.aws_route53.HealthCheck)


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"name": "orders.example.org"},
            r"name must be in the zone 'example\.com' or below it, got 'orders\.example\.org'",
        ),
        ({"name": "badexample.com"}, r"name must be in the zone 'example\.com' or below it, got 'badexample\.com'"),
        ({"name": "https://orders.example.com"}, r"name must be a host name in lower case, got 'https://orders"),
        ({"name": "Orders.example.com"}, r"name must be a host name in lower case, got 'Orders"),
        ({"hosted_zone_name": "example.com."}, r"hosted_zone_name must be a host name"),
        (
            {"hosted_zone_id": "/hostedzone/Z1"},
            r"hosted_zone_id must be the id of a Route 53 zone.*got '/hostedzone/Z1'",
        ),
    ],
)
def test_a_domain_that_could_not_work_is_refused(changed: dict[str, str], message: str) -> None:
    """A name outside its zone, or what is no name, is found before anything is deployed."""
    given = {"name": "orders.example.com", "hosted_zone_id": "Z0123456789", "hosted_zone_name": "example.com"}
    with pytest.raises(ValueError, match=message):
        ApiDomain(**{**given, **changed})


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_limit": lambda: 0}, r"rate_limit must be a whole number between 1 and 1000000, got 0"),
        ({"burst_limit": lambda: 0}, r"burst_limit must be a whole number"),
        ({"health_concurrency": lambda: 0}, r"health_concurrency must be .* got 0; a region that cannot answer"),
        (
            {"probes": lambda: [HealthProbe.queue(sqs.Queue(new_stack(), "Same")) for _ in range(2)]},
            r"probes must not name anything twice, got 'queue Same' twice; give one of them another name",
        ),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Callable[[], Any]], message: str) -> None:
    """The error names the option, the value, the range and the way out."""
    with pytest.raises(ValueError, match=message):
        MultiRegionApi(new_stack(), "Api", **{name: make() for name, make in options.items()})


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("route", ["/orders", "FETCH /orders", "POST orders", "POST /orders now", "post /orders"])
def test_a_route_that_is_none_is_refused(code: Path, route: str) -> None:
    """Method and path, or an error that lists the methods."""
    stack = new_stack()
    with pytest.raises(ValueError, match=rf"route must be a method of .*POST.* and a path, got '{route}'"):
        MultiRegionApi(stack, "Api").add_route(route, PythonFunction(stack, "Greet", source=code))


@pytest.mark.requirement("LIB-04")
def test_a_route_is_given_away_once(code: Path) -> None:
    """Nobody can take /health from the health function."""
    stack = new_stack()
    with pytest.raises(ValueError, match=r"route must be new to this API, got 'GET /health' a second time"):
        MultiRegionApi(stack, "Api").add_route("GET /health", PythonFunction(stack, "Greet", source=code))


@pytest.mark.requirement("LIB-04")
def test_a_table_probe_needs_an_item() -> None:
    """Without a key there is nothing to write."""
    with pytest.raises(ValueError, match=r"key must name the probe's item, got \{\}; give partition key"):
        HealthProbe.table(GlobalTable.in_region(new_stack(), "Orders", "orders"), {})


def test_an_open_route_needs_a_reason(code: Path, tmp_path: Path) -> None:
    """cdk-nag goes on asking for an authorizer until someone says how callers are checked; /health has its answer."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1"))
        api = MultiRegionApi(stack, "Api", domain=DOMAIN)
        function = PythonFunction(stack, "Greet", source=code)
        api.add_route("POST /signed", function, callers_checked_by="The function checks the sender's signature")
        api.add_route("POST /open", function)

    assert findings(build, output=tmp_path / "out", context=NO_BUNDLING) == [
        "AwsSolutions-APIG4 Stack/Api/Route POST |open/Resource"
    ]


def _resource(construct: Any) -> cdk.CfnElement:
    child = construct.node.default_child
    assert isinstance(child, cdk.CfnElement)
    return child
