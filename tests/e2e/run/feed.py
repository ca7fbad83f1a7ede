"""Posting the bundled events to the system, as AWS and others would."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3

from lambdas.shared import timestamps
from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.parsers import parse
from tests.e2e.run.accounting import Accepted
from tests.e2e.run.system import DemoTenant, System
from tests.fixtures.event_set import PostedEvent, load_events

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Post:
    """One event on its way to one tenant's endpoint in one region."""

    tenant: DemoTenant
    region: str
    event: PostedEvent


class RefusedError(Exception):
    """The system did not accept an event that it should have accepted."""


def first_round(system: System, salt: str) -> Iterator[Post]:
    """Every event that opens an alert, for every tenant, regions in turn; one event comes twice."""
    now = datetime.now(UTC)
    for tenant in system.tenants:
        for index, event in enumerate(load_events(salt=f"{salt}/{tenant.tenant}", now=now)):
            if event.expected.closes is None:
                yield Post(tenant, system.regions[index % len(system.regions)], event)
                if event.name == "ec2-stopped":
                    yield Post(tenant, system.regions[index % len(system.regions)], event)


def repetitions(system: System, salt: str, region: str) -> Iterator[Post]:
    """What happens while those alerts are open: some of it again, in *region*."""
    now = datetime.now(UTC)
    for tenant in system.tenants:
        for repetition in range(2):
            for event in load_events(salt=f"{salt}/{tenant.tenant}/{region}/{repetition}", now=now):
                if event.name in ("cloudwatch-alarm-eventbridge", "generic-json"):
                    yield Post(tenant, region, event)


def all_clears(system: System, salt: str) -> Iterator[Post]:
    """What ends some of those alerts."""
    now = datetime.now(UTC)
    for tenant in system.tenants:
        for index, event in enumerate(load_events(salt=f"{salt}/{tenant.tenant}", now=now)):
            if event.expected.closes is not None:
                yield Post(tenant, system.regions[index % len(system.regions)], event)


def feed(system: System, posts: Iterable[Post]) -> list[Accepted]:
    """Post everything, a few at once, and return what was accepted.

    Raises:
        RefusedError: Something was not accepted.
    """
    with urllib3.PoolManager(maxsize=AT_ONCE, retries=False, timeout=30) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda post: _post(system, http, post), posts))


def _post(system: System, http: urllib3.PoolManager, post: Post) -> Accepted:
    event = post.event
    if event.sns_fields is not None:
        event = event.signed(system.standins.sns.sign(event.sns_fields))
    url = system.url(post.region, f"/v1/endpoints/{post.tenant.endpoint}{event.path_suffix}")
    answer = http.request(event.method, url, headers=dict(event.headers), body=event.body or None, redirect=False)
    if answer.status != 202:
        raise RefusedError(f"{event.name} was answered {answer.status}: {answer.data.decode(errors='replace')}")
    event_id: str = json.loads(answer.data)["event_id"]
    return Accepted(event_id=_joins_as(event, event_id), tenant=post.tenant.tenant, name=event.name)


def _joins_as(event: PostedEvent, event_id: str) -> str:
    """AWS Health sends one event under several ids; it joins under what its copies share."""
    if event.how != "eventbridge":
        return event_id
    received = ReceivedEvent(
        endpoint="",
        origin="http",
        content_type="application/json",
        raw=event.body,
        accepted_at=timestamps.now(),
        accepted_in="",
    )
    return parse(received).copy_id or event_id
