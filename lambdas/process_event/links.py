"""Links into the AWS Management Console, by page and partition."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from lambdas.shared.alert import Link
from lambdas.shared.parsers import ParsedEvent

_CONSOLE = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
# AWS Health has hosts of its own, and one console for all regions.
_HEALTH = {"aws": "health.aws.amazon.com", "aws-cn": "health.amazonaws.cn", "aws-us-gov": "phd.amazonaws-us-gov.com"}


@dataclass(frozen=True, slots=True)
class Page:
    """Title of a console page and its address; `{id}` is what it shows."""

    title: str
    address: str


PAGES: Mapping[str, Page] = {
    "cloudwatch-alarm": Page(
        "CloudWatch alarm", "https://{region}.{console}/cloudwatch/home?region={region}#alarmsV2:alarm/{id}"
    ),
    "guardduty-finding": Page(
        "GuardDuty finding",
        "https://{region}.{console}/guardduty/home?region={region}#/findings?macros=current&fId={id}",
    ),
    "health-event": Page(
        "AWS Health event", "https://{health}/health/home#/account/event-log?eventID={id}&eventTab=details"
    ),
    "ec2-instance": Page(
        "EC2 instance", "https://{region}.{console}/ec2/home?region={region}#InstanceDetails:instanceId={id}"
    ),
    "sns-topic": Page("SNS topic", "https://{region}.{console}/sns/v3/home?region={region}#/topic/{id}"),
    # Bills are seen in one place for all regions.
    "budgets": Page("Budgets", "https://{console}/costmanagement/home#/budgets"),
    # The console finds the page of any resource by its ARN.
    "resource": Page("Resource", "https://{console}/go/view?arn={id}"),
}


def partition_of(region: str) -> str:
    """AWS partition of *region*; `aws` where none is known."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def links_of(event: ParsedEvent) -> tuple[Link, ...]:
    """Where to look: the console page first, then what the sender gave."""
    page = PAGES.get(event.page)
    if page is None:
        return event.links
    partition = partition_of(event.region)
    # An event about no region in particular, such as a global Health event, is shown where the console starts.
    url = page.address.format(
        region=quote(event.region, safe="") or "us-east-1",
        console=_CONSOLE[partition],
        health=_HEALTH[partition],
        # Slashes and colons stand for themselves after the `#`, except in alarm names, which may hold both.
        id=quote(event.page_id, safe="" if event.page == "cloudwatch-alarm" else "/:"),
    )
    return (Link(title=page.title, url=url), *event.links)
