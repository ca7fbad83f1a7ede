"""What the invocations for one dependency remember together: a table, and a visit every minute to what is parked."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

# The runtime works off what is parked when it is invoked with this.
DRAIN: Mapping[str, str] = {"resilience": "drain"}
DRAIN_EVERY_MINUTES = 1

# What the runtime calls; a transaction needs the rights of what is in it, and has none of its own.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_USE = ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")


def state_table(scope: Construct) -> dynamodb.Table:
    """A table for circuit breaker, journal and parked records of one dependency.

    Its items are documented where they are written, in `constructs_lib.runtime`. A healthy dependency writes none.
    DynamoDB encrypts them with a key of its own; one of KMS would be one more thing that can fail, or be shared.
    """
    return dynamodb.Table(
        scope,
        "State",
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expires",
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=True,
        removal_policy=RemovalPolicy.RETAIN,
    )


def let_use_state(consumer: lambda_.Function, table: dynamodb.ITable) -> iam.Grant:
    """Let *consumer* read and write items of the table, and nothing else."""
    return iam.Grant.add_to_principal(
        grantee=consumer, actions=[f"dynamodb:{action}" for action in _USE], resource_arns=[table.table_arn]
    )


def drain_schedule(scope: Construct, consumer: lambda_.Function) -> events.Rule:
    """Have *consumer* look after what is parked, every minute.

    Nothing is tried again and nothing is kept: the next minute brings the next visit.
    """
    once = lambda_.EventInvokeConfig(
        scope, "DrainOnce", function=consumer, retry_attempts=0, max_event_age=Duration.minutes(DRAIN_EVERY_MINUTES)
    )
    rule = events.Rule(
        scope,
        "Drain",
        description="Has the consumer work off the records of tenants that had to wait.",
        schedule=events.Schedule.rate(Duration.minutes(DRAIN_EVERY_MINUTES)),
        targets=[
            targets.LambdaFunction(consumer, event=events.RuleTargetInput.from_object(dict(DRAIN)), retry_attempts=0)
        ],
    )
    reason = "A visit that fails carries nothing that could be lost: the next minute brings the next one."
    Validations.of(once).acknowledge(Acknowledgment(id="Serverless-LambdaAsyncFailureDestination", reason=reason))
    Validations.of(rule).acknowledge(Acknowledgment(id="Serverless-EventBusDLQ", reason=reason))
    return rule
