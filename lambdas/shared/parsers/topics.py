"""What comes through SNS besides JSON: budget notifications, plain text, and the end of a subscription."""

import re

from lambdas.shared.parsers import generic
from lambdas.shared.parsers.parsed import LONGEST_TEXT, ParsedEvent
from lambdas.shared.parsers.reading import moment, shorten
from lambdas.shared.sns_message import SnsMessage

_BUDGET = "AWS Budget Notification"
_BUDGET_ACCOUNT = re.compile(r"^AWS Account:? (\d{12})", re.MULTILINE)
_BUDGET_FIELD = re.compile(r"^(Budget Name|Alert Type|Alert Threshold|[A-Z]+ Amount):[ \t]*(.+?)[ \t]*$", re.MULTILINE)


def from_text(message: SnsMessage) -> ParsedEvent:
    """A notification whose message is text."""
    text, subject = message.signed["Message"], message.signed.get("Subject", "")
    if text.startswith(_BUDGET):
        return _budget(message, text, subject)
    return generic.from_text(text, title=subject, where=message.topic)


def unsubscribed(message: SnsMessage) -> ParsedEvent:
    """Somebody removed the subscription: from now on nothing comes from this topic, so a person should know."""
    return ParsedEvent(
        family="sns-unsubscribed",
        service="sns",
        title=f"No more alerts from topic {message.topic.rpartition(':')[2]}",
        text=f"The subscription of this endpoint to {message.topic} was removed. Subscribe it again if that was a mistake.",
        series=(message.topic,),
        account=message.account,
        region=message.region,
        resource_type="topic",
        resource=message.topic,
        occurred_at=moment(message.signed["Timestamp"]),
        page="sns-topic",
        page_id=message.topic,
    )


def _budget(message: SnsMessage, text: str, subject: str) -> ParsedEvent:
    """Budgets writes for people; whatever is not found stays empty."""
    found = dict(_BUDGET_FIELD.findall(text))
    account = _BUDGET_ACCOUNT.search(text)
    name = found.get("Budget Name", "")
    return ParsedEvent(
        family="budget",
        service="budgets",
        title=subject or " ".join(filter(None, ("Budget", name, "passed a threshold"))),
        text=shorten(text, LONGEST_TEXT),
        series=(message.topic, name or subject, found.get("Alert Type", ""), found.get("Alert Threshold", "")),
        account=account[1] if account else message.account,
        region=message.region,
        resource_type="budget",
        resource=name,
        occurred_at=moment(message.signed["Timestamp"]),
        page="budgets",
    )
