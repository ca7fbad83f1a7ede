"""Alert or notification: a table of rules, first match wins, and what no rule knows is an alert."""

import hashlib
import json
from dataclasses import dataclass

from lambdas.shared.alert import Kind
from lambdas.shared.parsers import ParsedEvent


@dataclass(frozen=True, slots=True)
class Rule:
    """Events of *family* whose *trait* has one of *values* are of *kind*."""

    family: str
    trait: str
    values: tuple[str, ...]
    kind: Kind


RULES = (
    # An all-clear belongs to the alert it ends, whatever else is said of it.
    Rule("cloudwatch-alarm", "state", ("OK",), "alert"),
    Rule("cloudwatch-alarm", "held", ("muted", "suppressed"), "notification"),
    Rule("cloudwatch-alarm", "state", ("INSUFFICIENT_DATA",), "notification"),
    Rule("guardduty-finding", "severity", ("low",), "notification"),
    Rule("health", "category", ("scheduledChange", "accountNotification"), "notification"),
    Rule("ec2-state", "state", ("pending", "running", "stopping", "shutting-down"), "notification"),
    Rule("generic", "kind", ("notification",), "notification"),
)


def classify(event: ParsedEvent, rules: tuple[Rule, ...] = RULES) -> Kind:
    """Whether *event* asks somebody to act."""
    for rule in rules:
        if event.family == rule.family and event.traits.get(rule.trait) in rule.values:
            return rule.kind
    return "alert"


def fingerprint(event: ParsedEvent, kind: Kind, alert_key: str | None) -> str:
    """What similar events share: the sender's own key, else the parts its family goes by.

    * cloudwatch-alarm: the alarm's ARN, and the contributor's id, so that both ways of delivery meet;
    * guardduty-finding: account, region, the finding's id;
    * health: account, the event's ARN, so that updates and the copy from the backup region meet;
    * ec2-state: account, region, instance, state;
    * budget: topic, budget, type and threshold of the alert;
    * sns-unsubscribed: topic;
    * eventbridge: account, region, source, detail-type, resources;
    * generic: topic if it came by one, and the whole content;
    * unreadable: endpoint and reason.

    Alerts and notifications never meet: a notification would hide the alert that joined it.
    """
    parts = ("key", alert_key) if alert_key else (event.family, *event.series)
    return hashlib.sha256(json.dumps([kind, *parts]).encode()).hexdigest()[:32]
