"""CloudWatch alarms: as SNS action, and as EventBridge events (metric, composite, log, and per contributor).

The same alarm has the same series by either way: its ARN, and the contributor's id where there is one. In the SNS form
`Region` is a display name, so the region is taken from the ARN. An alarm mute rule holds back actions only: state
changes still appear on EventBridge, marked by `muteDetail`; so do composite alarms whose actions a suppressor holds.
"""

from collections.abc import Mapping
from typing import Any

from lambdas.shared.parsers.parsed import ParsedEvent, State
from lambdas.shared.parsers.reading import arn_part, listed, moment, needed, optional, shorten
from lambdas.shared.parsers.reading import at as value_at

FAMILY = "cloudwatch-alarm"
_STATES: Mapping[str, State] = {"ALARM": "problem", "OK": "recovery"}
_LONGEST_DETAIL = 600


def from_action(fields: Mapping[str, Any]) -> ParsedEvent:
    """The JSON that an alarm's SNS action carries."""
    arn = needed(fields, "AlarmArn")
    metric = " ".join(
        filter(None, (optional(fields, "Trigger", "Namespace"), optional(fields, "Trigger", "MetricName")))
    )
    return _alarm(
        arn=arn,
        name=needed(fields, "AlarmName"),
        state=needed(fields, "NewStateValue"),
        reason=optional(fields, "NewStateReason"),
        description=optional(fields, "AlarmDescription"),
        about=f"Metric: {metric}" if metric else "",
        account=optional(fields, "AWSAccountId"),
        region=arn_part(arn, 3),
        occurred_at=moment(optional(fields, "StateChangeTime")),
    )


def from_eventbridge(fields: Mapping[str, Any]) -> ParsedEvent:
    """`CloudWatch Alarm State Change` and `CloudWatch Alarm Contributor State Change`."""
    detail = value_at(fields, "detail")
    name = needed(fields, "detail", "alarmName")
    account, region = needed(fields, "account"), needed(fields, "region")
    arns = [known for known in listed(fields, "resources") if isinstance(known, str) and arn_part(known, 5)]
    contributor = optional(detail, "alarmContributor", "id")
    attributes = value_at(detail, "alarmContributor", "attributes")
    muted_until = optional(detail, "muteDetail", "muteWindowEnd")
    held = (
        "muted" if value_at(detail, "muteDetail") else "suppressed" if value_at(detail, "actionsSuppressedBy") else ""
    )
    return _alarm(
        # The same as what CloudWatch lists under `resources`.
        arn=arns[0] if arns else f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
        name=name,
        state=needed(fields, "detail", "state", "value"),
        reason=optional(detail, "state", "reason"),
        description=optional(detail, "configuration", "description"),
        about="\n".join(
            filter(
                None,
                (
                    f"Rule: {rule}" if (rule := optional(detail, "configuration", "alarmRule")) else "",
                    f"Metric: {metrics}" if (metrics := _metrics(detail)) else "",
                    f"Contributor: {_pairs(attributes)}" if contributor else "",
                    f"Muted until {muted_until}" if muted_until else "",
                ),
            )
        ),
        account=account,
        region=region,
        occurred_at=moment(optional(detail, "state", "timestamp")) or moment(optional(fields, "time")),
        contributor=contributor,
        held=held,
    )


def _alarm(
    *,
    arn: str,
    name: str,
    state: str,
    reason: str,
    description: str,
    about: str,
    account: str,
    region: str,
    occurred_at: str | None,
    contributor: str = "",
    held: str = "",
) -> ParsedEvent:
    reports = _STATES.get(state, "none")
    return ParsedEvent(
        family=FAMILY,
        service="cloudwatch",
        title=f"{name} is {state}",
        text="\n".join(shorten(part, _LONGEST_DETAIL) for part in (description, reason, about) if part),
        series=(arn, contributor),
        account=account,
        region=region,
        resource_type="alarm",
        resource=name,
        occurred_at=occurred_at,
        # Trouble whose actions somebody holds back is shown, but nobody is paged for it; its end still counts.
        state="none" if held and reports == "problem" else reports,
        traits={"state": state, "held": held},
        page="cloudwatch-alarm",
        page_id=name,
    )


def _metrics(detail: Any) -> str:
    names = [
        " ".join(filter(None, (optional(known, "metricStat", "metric", "namespace"), _name(known))))
        for known in listed(detail, "configuration", "metrics")
        if isinstance(known, Mapping)
    ]
    return ", ".join(name for name in names if name)


def _name(metric: Mapping[str, Any]) -> str:
    return optional(metric, "metricStat", "metric", "name") or optional(metric, "expression")


def _pairs(attributes: Any) -> str:
    if not isinstance(attributes, Mapping):
        return ""
    return ", ".join(f"{name}={optional(attributes, name)}" for name in sorted(attributes))
