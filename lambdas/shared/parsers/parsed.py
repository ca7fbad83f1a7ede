"""What every parser makes of an event: one typed shape, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lambdas.shared.alert import Link

State = Literal["problem", "recovery", "none"]

LONGEST_TITLE = 150
# A message with a title, facts and buttons around it still fits the providers' limits, and a row stays small.
LONGEST_TEXT = 2500
# Names, ids and addresses: none of AWS's is longer, and the providers show no more of them. A sender may write anything
# there, and a row of more than 400 KB could not be stored at all.
LONGEST_FIELD = 1000
LONGEST_ADDRESS = 2000


class UnreadableError(Exception):
    """An authentic event is not what it claims to be; the text says why, without quoting it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEvent:
    """One event, whoever sent it.

    Attributes:
        family: Which parser understood it.
        service: Short name of the source.
        title: One line.
        text: Details; may be empty.
        series: What tells similar events from others within the family: equal parts, equal series.
        account, region: What it is about, where the sender says; the region is a code such as `eu-west-1`.
        resource_type, resource: Such as `instance` and its id.
        severity: `critical`, `high`, `medium`, `low`, or empty.
        occurred_at: When, by the sender's clock.
        state: Whether it reports trouble that can end, the end of it, or neither.
        traits: What the rule table may ask for.
        page: Name of the console page, see `links`; empty when there is none.
        page_id: What that page shows.
        links: Addresses the sender gave.
        copy_id: What copies of one event share where the sender makes copies with ids of their own.
        unreadable: Why nobody could read it; empty when it was read.
    """

    family: str
    service: str
    title: str
    text: str
    series: tuple[str, ...]
    account: str = ""
    region: str = ""
    resource_type: str = ""
    resource: str = ""
    severity: str = ""
    occurred_at: str | None = None
    state: State = "none"
    traits: Mapping[str, str] = field(default_factory=dict)
    page: str = ""
    page_id: str = ""
    links: tuple[Link, ...] = ()
    copy_id: str | None = None
    unreadable: str = ""
