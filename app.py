"""The alerting system: AWS events in, people in Slack and Teams informed, from every configured region.

One stack holds the global tables, one stack per region everything else. cdk.json holds the configuration under
`alerting`; `-c target=local` sends what would go to the providers to their stand-ins on this machine.
"""

# First, because it points aws_cdk at the Node.js that comes with the project.
from constructs_lib import (  # isort: skip
    GlobalTable,
    IdempotentConsumer,
    IsolatedDependencyStream,
    MultiRegionApi,
    PythonFunction,
    SagaStateMachine,
    SagaStep,
    TenantThrottle,
)

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from configuration import SIDELINE_CONCURRENCY, Configuration, ConfigurationError
from constructs_lib.alarms import OperatorTopic, notify
from constructs_lib.dependency_dashboard import DependencyDashboard
from constructs_lib.dependency_isolation import DependencyIsolation, declare_shared
from constructs_lib.multi_region_api import HealthProbe

HERE = Path(__file__).resolve().parent
TENANTS = "alerting-tenants"
ALERTS = "alerting-alerts"
# What each function does with the tables; a function that is not named here touches none.
TENANTS_ACCESS = {
    "ingest": ["GetItem"],
    "process_event": ["GetItem"],
    "alert_actions": ["GetItem"],
    "escalation": ["GetItem"],
}
ALERTS_ACCESS = {
    "process_event": ["Query", "UpdateItem", "PutItem"],
    "alert_actions": ["Query", "UpdateItem"],
    "escalation": ["Query"],
    "notify_slack": ["Query", "UpdateItem"],
    "notify_teams": ["Query", "UpdateItem"],
}


class Tables(Stack):
    """What all regions share: the tables. Adding a region adds one replica to each."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        home, *replicas = configuration.regions
        super().__init__(scope, construct_id, env=cdk.Environment(account=configuration.account, region=home))
        tenants = GlobalTable(self, "Tenants", table_name=TENANTS, partition_key="id", replica_regions=replicas)
        alerts = GlobalTable(
            self,
            "Alerts",
            table_name=ALERTS,
            partition_key="alert_id",
            sort_key="region",
            time_to_live_attribute="expires_at",
            replica_regions=replicas,
        )
        notify(OperatorTopic(self, "Operators", emails=configuration.operator_emails), tenants, alerts)


class Region(Stack):
    """The whole path of an alert in one region, from the sender's request to the provider's answer."""

    def __init__(self, scope: Construct, construct_id: str, *, region: str, configuration: Configuration) -> None:
        super().__init__(scope, construct_id, env=cdk.Environment(account=configuration.account, region=region))
        self.outside = configuration.outside
        self.tenants = GlobalTable.in_region(self, "Tenants", TENANTS)
        self.alerts = GlobalTable.in_region(self, "Alerts", ALERTS)
        self.functions: list[PythonFunction] = []

        notifiers = {"slack": self.slack, "teams": self.teams}
        streams = {name: notifiers[name]() for name in configuration.dependencies}
        for name, stream in streams.items():
            DependencyDashboard(self, f"{name.title()}Dashboard", dependencies=[stream])
        stream_names = {"STREAMS": json.dumps({name: each.stream.stream_name for name, each in streams.items()})}

        escalate = self.function("escalation", stream_names)
        # A level's timer starts once its message was delivered, so a provider's outage burns no level.
        delivered_within, wait = Duration.days(7), Duration.minutes(configuration.escalation_wait_minutes)
        escalation = SagaStateMachine(
            self,
            "AlertEscalation",
            steps=[
                SagaStep(name="Level1Delivered", action=escalate, callback_timeout=delivered_within),
                SagaStep(name="Level1Look", action=escalate, wait=wait, may_complete=True),
                SagaStep(name="Level2Delivered", action=escalate, callback_timeout=delivered_within),
                SagaStep(name="Level2Look", action=escalate, wait=wait, may_complete=True),
            ],
        )
        declare_shared(self, self.alerts.table_arn, escalation.state_machine, reason="Neither calls a provider.")
        escalation_arn = {"ESCALATION_STATE_MACHINE_ARN": escalation.state_machine.state_machine_arn}
        process_event = self.function("process_event", stream_names | escalation_arn)
        alert_actions = self.function("alert_actions", stream_names)
        events = IdempotentConsumer(self, "Events", consumer=process_event, sideline_concurrency=SIDELINE_CONCURRENCY)
        actions = IdempotentConsumer(self, "Actions", consumer=alert_actions)
        escalation.grant_start(process_event)
        for waiter in (escalate, *(stream.consumer for stream in streams.values())):
            escalation.grant_task_response(waiter)
        for stream in streams.values():
            for sender in (process_event, alert_actions, escalate):
                stream.grant_write(sender)

        api = MultiRegionApi(
            self,
            "Api",
            probes=[
                HealthProbe.table(self.alerts, key={"alert_id": f"health#{region}", "region": region}),
                HealthProbe.queue(events.queue),
            ],
            domain=configuration.domain,
            health_concurrency=configuration.health_concurrency,
        )
        assert events.sideline_queue
        queues = {"EVENTS_QUEUE_URL": events.queue.queue_url, "SIDELINE_QUEUE_URL": events.sideline_queue.queue_url}
        ingest = self.function("ingest", queues, concurrency=configuration.ingest_concurrency)
        events.grant_send(ingest)
        throttle = TenantThrottle(self, "Throttle", function=ingest, **configuration.tenant_limits)
        api.add_route(
            "ANY /v1/endpoints/{endpoint}/events",
            ingest,
            callers_checked_by="The endpoint id is the secret of its tenant, and messages of SNS must bear its signature",
        )
        if "slack" in streams:
            signing = self.secret("SlackSigning", "alerting/slack-signing")
            buttons = {"SLACK_SIGNING_SECRET": signing.secret_arn, "ACTIONS_QUEUE_URL": actions.queue.queue_url}
            # Slack's user sees an error after three seconds, a cold start's included; processor time comes with memory.
            interactions = self.function("interactions", buttons, memory=1024)
            signing.grant_read(interactions)
            actions.grant_send(interactions)
            api.add_route(
                "POST /slack/interactions",
                interactions,
                callers_checked_by="The function refuses requests without Slack's signature",
            )

        operators = OperatorTopic(self, "Operators", emails=configuration.operator_emails)
        notify(operators, *streams.values(), escalation, events, actions, api, throttle, *self.functions)
        self.nobody_came().add_alarm_action(SnsAction(operators))
        cdk.CfnOutput(self, "ApiUrl", value=api.url, description=f"Where {region} accepts events")

    def nobody_came(self) -> cloudwatch.Alarm:
        """Fires when every level of an alert has called people and nobody took it."""
        exhausted = cloudwatch.Metric(
            namespace="Resilience",
            metric_name="EscalationExhausted",
            dimensions_map={"service": "escalation"},
            statistic="Sum",
            period=Duration.minutes(1),
        )
        return exhausted.create_alarm(
            self,
            "EscalationExhausted",
            alarm_description="Nobody acknowledged an alert, and nobody is left to call.",
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def slack(self) -> IsolatedDependencyStream:
        """Everything Slack needs, and nothing that Teams uses."""
        tokens = self.secret("SlackTokens", "alerting/slack-tokens")
        notifier = self.function("notify_slack", {"SLACK_TOKENS_SECRET": tokens.secret_arn})
        tokens.grant_read(notifier)
        return IsolatedDependencyStream(self, "Slack", consumer=notifier)

    def teams(self) -> IsolatedDependencyStream:
        """Everything Teams needs, and nothing that Slack uses."""
        credentials = self.secret("TeamsCredentials", "alerting/teams-credentials")
        notifier = self.function("notify_teams", {"TEAMS_CREDENTIALS_SECRET": credentials.secret_arn})
        credentials.grant_read(notifier)
        return IsolatedDependencyStream(self, "Teams", consumer=notifier)

    def function(
        self, package: str, settings: Mapping[str, str], *, concurrency: int | None = None, memory: int = 256
    ) -> PythonFunction:
        """One folder of lambdas/ as a function that may do with the tables what its task asks."""
        tables: list[tuple[str, str, dynamodb.ITableV2, Mapping[str, Sequence[str]]]] = [
            ("TENANTS_TABLE", TENANTS, self.tenants, TENANTS_ACCESS),
            ("ALERTS_TABLE", ALERTS, self.alerts, ALERTS_ACCESS),
        ]
        used = [table for table in tables if package in table[3]]
        function = PythonFunction(
            self,
            "".join(word.title() for word in package.split("_")),
            source=HERE / "lambdas" / package,
            environment={variable: name for variable, name, _, _ in used}
            | dict(settings)
            | dict(self.outside.get(package, {})),
            memory_size=memory,
            reserved_concurrency=concurrency,
        )
        for _, _, table, access in used:
            table.grant(function, *(f"dynamodb:{action}" for action in access[package]))
        self.functions.append(function)
        return function

    def secret(self, construct_id: str, name: str) -> secretsmanager.Secret:
        """A secret whose value an operator fills in; it outlives the stack, but not a first deployment that failed.

        Left behind by that, it would hold no value yet, and its name would stand in the way of the next try.
        """
        kept = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
        secret = secretsmanager.Secret(self, construct_id, secret_name=name, removal_policy=kept)
        cdk.Validations.of(secret).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-SMG4",
                reason="The provider issues this value; only its owner can rotate it, by the provider's own procedure.",
            )
        )
        return secret


def build(app: cdk.App) -> None:
    """Compose the system's stacks in *app* from its context."""
    configuration = Configuration.of(app)
    tables = Tables(app, "Alerting-Global", configuration=configuration)
    for name in configuration.regions:
        region = Region(app, f"Alerting-{name}", region=name, configuration=configuration)
        region.add_stack_dependency(tables)
    cdk.Validations.of(app).add_plugins(DependencyIsolation())


def main() -> None:
    """Synthesize with the context of cdk.json, which the CDK CLI passes by itself and plain Python does not."""
    app = cdk.App(context=json.loads((HERE / "cdk.json").read_text())["context"])
    try:
        build(app)
    except ConfigurationError as error:
        sys.exit(f"cdk.json: {error}")
    app.synth()


if __name__ == "__main__":
    main()
