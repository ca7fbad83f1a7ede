"""A small app of plain CDK in two regions: one global table, and in each region an API, a stream and a name for both."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Environment, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets

HERE = Path(__file__).resolve().parent
REGIONS = ("us-east-1", "eu-west-1")
NAME = "orders.example.com"

app = App()
tables = Stack(app, "Tables", env=Environment(region=REGIONS[0]))
dynamodb.TableV2(
    tables,
    "Orders",
    table_name="orders",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    replicas=[dynamodb.ReplicaTableProps(region=region) for region in REGIONS[1:]],
)
for region in REGIONS:
    stack = Stack(app, f"Orders-{region}", env=Environment(region=region))
    stack.add_dependency(tables)
    table = dynamodb.Table.from_table_name(stack, "Orders", "orders")
    stream = kinesis.Stream(stack, "Stream", shard_count=1)
    function = lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handle",
        code=lambda_.Code.from_asset(str(HERE / "regional_function")),
        timeout=Duration.seconds(10),
    )
    table.grant_read_write_data(function)
    function.add_event_source(
        sources.KinesisEventSource(stream, starting_position=lambda_.StartingPosition.TRIM_HORIZON)
    )
    zone = route53.HostedZone.from_hosted_zone_attributes(
        stack, "Zone", hosted_zone_id="Z0123456789ABCDEFGHIJ", zone_name="example.com"
    )
    certificate = acm.Certificate(
        stack, "Certificate", domain_name=NAME, validation=acm.CertificateValidation.from_dns(zone)
    )
    domain = apigateway.DomainName(stack, "Domain", domain_name=NAME, certificate=certificate)
    api = apigateway.HttpApi(
        stack,
        "Api",
        default_integration=integrations.HttpLambdaIntegration("Function", function),
        default_domain_mapping=apigateway.DomainMappingOptions(domain_name=domain),
    )
    check = route53.HealthCheck(
        stack,
        "Check",
        type=route53.HealthCheckType.HTTPS_STR_MATCH,
        fqdn=f"{api.api_id}.execute-api.{region}.amazonaws.com",
        resource_path="/health",
        search_string="healthy",
        request_interval=Duration.seconds(10),
        failure_threshold=1,
    )
    route53.ARecord(
        stack,
        "Name",
        zone=zone,
        record_name="orders",
        region=region,
        set_identifier=region,
        health_check=check,
        target=route53.RecordTarget.from_alias(
            targets.ApiGatewayv2DomainProperties(domain.regional_domain_name, domain.regional_hosted_zone_id)
        ),
    )
    CfnOutput(stack, "Url", value=api.url or "")
    CfnOutput(stack, "StreamName", value=stream.stream_name)
app.synth()
