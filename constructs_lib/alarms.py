"""Alarms that reach a person: one topic for the operators, one line to wire every alarm of every construct to it."""

from collections.abc import Sequence
from typing import Protocol

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from constructs_lib._checks import distinct, matches


class HasAlarms(Protocol):
    """Anything with alarms: every construct of this library."""

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about it that should wake someone."""


class OperatorTopic(sns.Topic):
    """Carry alarms to the people who run the system, by a way that does not use the system.

    CloudWatch publishes to the topic and SNS mails it: neither passes through a queue, stream or function of the
    system that the alarm is about. Publishing takes TLS. At rest SNS encrypts messages by itself; a key of AWS's own for
    SNS would shut CloudWatch out. https://docs.aws.amazon.com/sns/latest/dg/sns-data-encryption.html

    Defines a topic, its policy and one subscription per address.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        emails: Addresses to mail; each gets a message with a link to confirm. Default: none.

    Raises:
        ValueError: If an address is none, or stands there twice.
    """

    def __init__(self, scope: Construct, id: str, *, emails: Sequence[str] = ()) -> None:
        for email in emails:
            matches(
                "emails", email, r"[^@\s]+@[^@\s]+", allowed="an address like 'team@example.com'", way_out="mend it"
            )
        distinct("emails", emails, way_out="one message each is enough, so remove one")
        super().__init__(scope, id, enforce_ssl=True)
        # A topic with a policy of its own loses the default one, and CloudWatch's right to publish with it.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        for email in emails:
            Validations.of(self.add_subscription(subscriptions.EmailSubscription(email))).acknowledge(
                Acknowledgment(
                    id="Serverless-SNSRedrivePolicy",
                    reason="A mail that SNS could not deliver for hours is of no use later; the alarm and its history "
                    "stay in CloudWatch.",
                )
            )


def notify(topic: sns.ITopic, *constructs: HasAlarms) -> None:
    """Send every alarm of every construct to *topic*, when it fires and when it is over.

    An alarm that two of the constructs share is wired once.

    Args:
        topic: Where the alarms go, normally an `OperatorTopic` in the same region: an alarm cannot leave its region.
        constructs: Constructs of this library, or anything else with `alarms`.
    """
    action = actions.SnsAction(topic)
    alarms = {alarm.node.path: alarm for construct in constructs for alarm in construct.alarms}
    for alarm in alarms.values():
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
