"""EventBridge events: GuardDuty, AWS Health, EC2, and every other source by what all of them have in common."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lambdas.shared.parsers import cloudwatch
from lambdas.shared.parsers.parsed import LONGEST_TEXT, ParsedEvent
from lambdas.shared.parsers.reading import arn_part, at, listed, moment, needed, optional, shorten

# GuardDuty user guide, "Severity levels of GuardDuty findings": the number from which each level holds.
_GUARDDUTY_LEVELS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.0, "low"))


def matches(fields: Mapping[str, Any]) -> bool:
    """Whether *fields* are an event as EventBridge delivers it."""
    return all(isinstance(fields.get(name), str) for name in ("source", "detail-type")) and isinstance(
        fields.get("detail"), Mapping
    )


def parse(fields: Mapping[str, Any]) -> ParsedEvent:
    """One event of any source.

    Raises:
        UnreadableError: A known kind of event lacks what makes it that.
    """
    known = _PARSERS.get((fields["source"], fields["detail-type"]), _any_source)
    return known(fields)


def _guardduty(fields: Mapping[str, Any]) -> ParsedEvent:
    """A finding; the same finding comes again, counted up, as long as its cause goes on."""
    detail = fields["detail"]
    finding, kind = needed(fields, "detail", "id"), needed(fields, "detail", "type")
    number = at(detail, "severity")
    level = ""
    if isinstance(number, int | float):
        level = next((name for least, name in _GUARDDUTY_LEVELS if number >= least), "")
    account, region = needed(fields, "account"), optional(detail, "region") or needed(fields, "region")
    instance = optional(detail, "resource", "instanceDetails", "instanceId")
    resource = instance or optional(detail, "resource", "accessKeyDetails", "userName")
    return ParsedEvent(
        family="guardduty-finding",
        service="guardduty",
        title=optional(detail, "title") or kind,
        text="\n".join(filter(None, (optional(detail, "description"), f"Type: {kind}", _seen(detail)))),
        series=(account, region, finding),
        account=optional(detail, "accountId") or account,
        region=region,
        resource_type=optional(detail, "resource", "resourceType"),
        resource=resource or finding,
        severity=level,
        occurred_at=moment(optional(detail, "updatedAt")) or moment(optional(fields, "time")),
        traits={"severity": level, "type": kind},
        page="guardduty-finding",
        page_id=finding,
    )


def _seen(detail: Any) -> str:
    count = optional(detail, "service", "count")
    return f"Seen {count} times" if count else ""


def _health(fields: Mapping[str, Any]) -> ParsedEvent:
    """An AWS Health event. It is sent to a backup region too, and once per page of affected entities.

    The impacted region is `detail.eventRegion`; the envelope's region is only where it was sent.
    """
    detail = fields["detail"]
    arn, code = needed(fields, "detail", "eventArn"), needed(fields, "detail", "eventTypeCode")
    descriptions = listed(detail, "eventDescription")
    entities = [optional(entity, "entityValue") for entity in listed(detail, "affectedEntities")]
    account = optional(detail, "affectedAccount") or needed(fields, "account")
    service, page = optional(detail, "service"), optional(detail, "page")
    return ParsedEvent(
        family="health",
        service="health",
        title=f"{service} {code.removeprefix(f'AWS_{service}_').replace('_', ' ').lower()}".strip(),
        text=shorten(
            next((text for known in descriptions if (text := optional(known, "latestDescription"))), ""), LONGEST_TEXT
        ),
        series=(account, arn),
        account=account,
        region=optional(detail, "eventRegion") or optional(fields, "region"),
        resource_type=service.lower(),
        resource=", ".join(filter(None, entities[:5])),
        occurred_at=moment(optional(fields, "time")),
        traits={"category": optional(detail, "eventTypeCategory"), "status": optional(detail, "statusCode")},
        page="health-event",
        page_id=arn,
        copy_id="|".join((account, arn, communication, page))
        if (communication := optional(detail, "communicationId"))
        else None,
    )


def _ec2(fields: Mapping[str, Any]) -> ParsedEvent:
    """An instance that changed its state."""
    instance, state = needed(fields, "detail", "instance-id"), needed(fields, "detail", "state")
    account, region = needed(fields, "account"), needed(fields, "region")
    return ParsedEvent(
        family="ec2-state",
        service="ec2",
        title=f"EC2 instance {instance} is {state}",
        text="",
        series=(account, region, instance, state),
        account=account,
        region=region,
        resource_type="instance",
        resource=instance,
        occurred_at=moment(optional(fields, "time")),
        traits={"state": state},
        page="ec2-instance",
        page_id=instance,
    )


def _any_source(fields: Mapping[str, Any]) -> ParsedEvent:
    source, kind = fields["source"], fields["detail-type"]
    resources = sorted(known for known in listed(fields, "resources") if isinstance(known, str))
    account, region = optional(fields, "account"), optional(fields, "region")
    is_arn = bool(resources) and bool(arn_part(resources[0], 5))
    return ParsedEvent(
        family="eventbridge",
        service=source.removeprefix("aws.") or source,
        title=": ".join(filter(None, (kind, resources[0] if resources else ""))),
        text=shorten(json.dumps(fields["detail"], indent=1, ensure_ascii=False), LONGEST_TEXT),
        series=(account, region, source, kind, *resources),
        account=account,
        region=region,
        resource=resources[0] if resources else "",
        occurred_at=moment(optional(fields, "time")),
        traits={"source": source, "detail-type": kind},
        page="resource" if is_arn else "",
        page_id=resources[0] if is_arn else "",
    )


_PARSERS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], ParsedEvent]] = {
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): cloudwatch.from_eventbridge,
    ("aws.cloudwatch", "CloudWatch Alarm Contributor State Change"): cloudwatch.from_eventbridge,
    ("aws.guardduty", "GuardDuty Finding"): _guardduty,
    ("aws.health", "AWS Health Event"): _health,
    ("aws.health", "AWS Health Abuse Event"): _health,
    ("aws.ec2", "EC2 Instance State-change Notification"): _ec2,
}
