"""MultiRegionApi: an HTTP API that a region can lose without its callers losing the API."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from aws_cdk import Acknowledgment, Duration, Names, RemovalPolicy, Stack, Validations
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from constructs_lib import _environment as environment_names
from constructs_lib._api_domain import ApiDomain, RegionalDomain
from constructs_lib._checks import between, distinct
from constructs_lib._health_probes import HealthProbe
from constructs_lib.python_function import PythonFunction

__all__ = ["ApiDomain", "HealthProbe", "MultiRegionApi"]

HEALTH_ROUTE = "GET /health"
# Route 53 looks for this text in the answer; the health function writes it.
HEALTHY = '"status":"healthy"'

# Health answers are limited apart from all others, so that a flood of events cannot make the region look dead.
# Route 53 asks a few times a second.
_HEALTH_RATE = 200

# Slack shows its user an error after three seconds, so that is when slow has become broken.
_SLOW_MILLISECONDS = 3_000

# No query string and no header: callers put keys there.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
_ACCESS_LOG_FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "time": "$context.requestTime",
        "sourceIp": "$context.identity.sourceIp",
        "routeKey": "$context.routeKey",
        "status": "$context.status",
        "responseLatency": "$context.responseLatency",
        "integrationLatency": "$context.integrationLatency",
        "integrationError": "$context.integrationErrorMessage",
    }
)

_METHODS = {method.value: method for method in apigateway.HttpMethod}


class MultiRegionApi(Construct):
    """Give one region its API, and DNS the means to judge it.

    Put one of these into the stack of each region. With a domain, all of them answer under one name: DNS names the
    nearest region whose health function finds its own stores working, and leaves out a region that fails. Without one,
    each region has its own URL, and any other DNS provider can steer by `/health`.

    The health function has concurrency of its own, probes what `probes` names, and never asks a third party.

    Defines an HTTP API with stage and access log, the health function, two alarms, and with a domain also certificate,
    custom domain, health check and DNS record.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        probes: What must work for the region to be of use. Default: nothing beyond the API itself.
        domain: Name shared by all regions. Default: none.
        rate_limit: Requests a second that each route takes on average; more are answered 429. Default: 1000.
        burst_limit: Requests that may come at once. Default: 2000.
        health_concurrency: Invocations kept free for health answers; None where the account has none to spare, as a
            new one. Default: 5.

    Attributes:
        api: The API.
        stage: Its only stage.
        health_function: Answers GET /health.
        regional_domain: Certificate, custom domain, health check and record; None without a domain.
        url: Where callers reach the API: the domain, or else this region's own URL.
        regional_url: This region's own URL.
        alarms: Server errors, slow answers, and those of the health function.

    Raises:
        ValueError: If a limit is out of range, or two probes have one name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        probes: Sequence[HealthProbe] = (),
        domain: ApiDomain | None = None,
        rate_limit: int = 1000,
        burst_limit: int = 2000,
        health_concurrency: int | None = 5,
    ) -> None:
        super().__init__(scope, id)
        between("rate_limit", rate_limit, 1, 1_000_000, way_out="reserve no concurrency for a route that takes nothing")
        between(
            "burst_limit", burst_limit, 1, 1_000_000, way_out="reserve no concurrency for a route that takes nothing"
        )
        if health_concurrency is not None:
            between(
                "health_concurrency",
                health_concurrency,
                1,
                100,
                way_out="a region that cannot answer is taken out of DNS",
            )
        distinct("probes", [probe.name for probe in probes], way_out="give one of them another name")
        self.api = apigateway.HttpApi(self, "Api", create_default_stage=False)
        self.regional_domain = (
            RegionalDomain(self, "Domain", domain=domain, api=self.api, healthy=HEALTHY) if domain else None
        )
        self.health_function = self._health_function(probes, health_concurrency)
        self.stage = self._stage(rate_limit, burst_limit)
        self._routes: set[str] = set()
        health = self.add_route(
            HEALTH_ROUTE,
            self.health_function,
            callers_checked_by="Route 53 and other DNS providers cannot sign requests; the answer tells nothing secret",
        )
        self._limit_apart(health)
        self.regional_url = self.api.api_endpoint
        self.url = f"https://{domain.name}" if domain else self.regional_url
        self.alarms: tuple[cloudwatch.Alarm, ...] = (*self._alarms(), *self.health_function.alarms)

    def add_route(
        self, route: str, function: lambda_.IFunction, *, callers_checked_by: str | None = None
    ) -> apigateway.HttpRoute:
        """Let *function* answer requests for *route*.

        Args:
            route: Method and path: "POST /orders/{id}"; ANY stands for every method.
            function: Gets the request in payload format 2.0.
            callers_checked_by:
                How *function* makes sure who calls, in a sentence; answers cdk-nag, which misses an authorizer here.
                Default: nothing is said, and cdk-nag goes on asking.

        Raises:
            ValueError: If *route* is not method and path, or is taken.
        """
        method, _, path = route.partition(" ")
        if method not in _METHODS or not path.startswith("/") or " " in path:
            raise ValueError(
                f"route must be a method of {', '.join(_METHODS)} and a path, got {route!r}; write it like 'POST /orders'"
            )
        if route in self._routes:
            raise ValueError(f"route must be new to this API, got {route!r} a second time; give it one function")
        self._routes.add(route)
        added = apigateway.HttpRoute(
            self,
            f"Route {route}".replace("/", "|"),
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.with_(path, _METHODS[method]),
            integration=integrations.HttpLambdaIntegration("Integration", function),
        )
        if callers_checked_by:
            Validations.of(added).acknowledge(Acknowledgment(id="AwsSolutions-APIG4", reason=callers_checked_by))
        self._announce_after(added)
        return added

    def metric_server_errors(self) -> cloudwatch.Metric:
        """Answers with status 5xx in this region. Sum over five minutes."""
        return self.api.metric_server_error(period=Duration.minutes(5), statistic="Sum")

    def metric_latency(self) -> cloudwatch.Metric:
        """Milliseconds from request to answer, 99th percentile over five minutes."""
        return self.api.metric_latency(period=Duration.minutes(5), statistic="p99")

    def _health_function(self, probes: Sequence[HealthProbe], concurrency: int | None) -> PythonFunction:
        settings = [{"name": probe.name, **probe.setting} for probe in probes]
        function = PythonFunction(
            self,
            "Health",
            source=Path(__file__).parent / "runtime" / "functions" / "health",
            environment={environment_names.HEALTH_PROBES: Stack.of(self).to_json_string(settings)},
            timeout=Duration.seconds(10),
            # Memory brings processor time, and Route 53 waits two seconds for the first answer too.
            memory_size=512,
            reserved_concurrency=concurrency,
            description="Says whether this region's own stores work",
        )
        for probe in probes:
            probe.allow(function)
        return function

    def _stage(self, rate_limit: int, burst_limit: int) -> apigateway.HttpStage:
        log_group = logs.LogGroup(
            self,
            "AccessLog",
            # API Gateway writes the names of its log groups into one resource policy of the account, and refuses the
            # stage once that is full; those with this prefix are left out of it.
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
            log_group_name=f"/aws/vendedlogs/apis/{Names.unique_resource_name(self, max_length=200)}",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=rate_limit, burst_limit=burst_limit),
        )
        resource = cast("apigateway.CfnStage", stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=_ACCESS_LOG_FORMAT
        )
        if self.regional_domain:
            # Not the stage's own option: it names the mapping after the stack, so each region's would differ.
            mapping = apigateway.ApiMapping(
                self.regional_domain,
                "Mapping",
                api=self.api,
                domain_name=self.regional_domain.domain_name,
                stage=stage,
            )
            self._announce_after(mapping)
        return stage

    def _announce_after(self, part: IDependable) -> None:
        """Have DNS name this region once *part* is there, and no longer than it is.

        A new health check counts as healthy until it has seen something. Callers sent to a half-made region would be
        answered 403 or 404, and SNS, like many senders, does not try again after those.
        """
        if self.regional_domain:
            self.regional_domain.record.node.add_dependency(part)

    def _limit_apart(self, route: apigateway.HttpRoute) -> None:
        stage = cast("apigateway.CfnStage", self.stage.node.default_child)
        stage.route_settings = {
            HEALTH_ROUTE: {"ThrottlingRateLimit": _HEALTH_RATE, "ThrottlingBurstLimit": _HEALTH_RATE}
        }
        # The service refuses settings for a route that does not exist yet.
        stage.add_resource_dependency(cast("apigateway.CfnRoute", route.node.default_child))

    def _alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        return (
            cloudwatch.Alarm(
                self,
                "ServerErrorsAlarm",
                metric=self.metric_server_errors(),
                alarm_description=f"{self.node.id} answered five times or more with a server error.",
                threshold=5,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ),
            cloudwatch.Alarm(
                self,
                "LatencyAlarm",
                metric=self.metric_latency(),
                alarm_description=f"One in a hundred answers of {self.node.id} took three seconds or more.",
                threshold=_SLOW_MILLISECONDS,
                evaluation_periods=3,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ),
        )
