"""Where did every event go? The books of a run: what was accepted, what the tables hold, what the providers show."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lambdas.shared.alert import AlertRow, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An event that the system answered with 202: from then on it may not be lost."""

    event_id: str
    tenant: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as it stands at a provider: the last version of one post."""

    provider: str
    target: str
    alert_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a tenant's alerts belong."""

    provider: str
    target: str


def problems(
    accepted: Iterable[Accepted], rows: Iterable[AlertRow], shown: Iterable[Shown], homes: Mapping[str, Home]
) -> list[str]:
    """Everything that does not add up, one sentence each; empty when every event is accounted for.

    Each accepted event joined exactly one alert of its tenant; each alert has exactly one post, at its tenant's
    provider and channel; the version that the post shows is the number of facts that joined.
    """
    by_alert: dict[str, list[AlertRow]] = defaultdict(list)
    for row in rows:
        by_alert[row.alert_id].append(row)
    alerts = [alert for group in by_alert.values() if (alert := merge(group))]
    # One event may be sent to two tenants: it joins an alert of each.
    joined = Counter(key for group in by_alert.values() for key in {(r.tenant, e) for r in group for e in r.event_ids})
    posts: dict[str, list[Shown]] = defaultdict(list)
    for post in shown:
        posts[post.alert_id].append(post)

    found = []
    wanted = {(event.tenant, event.event_id): event for event in accepted}
    for key, event in wanted.items():
        if joined[key] != 1:
            found.append(f"{event.name} ({event.event_id}) joined {joined[key]} alerts of {event.tenant}, not 1")
    found += [
        f"event {event} of {tenant} was never accepted, yet it joined an alert"
        for tenant, event in sorted(joined.keys() - wanted.keys())
    ]
    for alert in alerts:
        remembered = len({event for row in by_alert[alert.alert_id] for event in row.event_ids})
        if alert.count != remembered:
            found.append(f"alert {alert.alert_id} counts {alert.count} events, but {remembered} joined")
        mine, home = posts.pop(alert.alert_id, []), homes[alert.tenant]
        if len(mine) != 1:
            found.append(f"alert {alert.alert_id} ({alert.summary.title}) has {len(mine)} posts, not 1")
        for post in mine:
            if (post.provider, post.target) != (home.provider, home.target):
                found.append(f"alert {alert.alert_id} of {alert.tenant} is shown at {post.provider} {post.target}")
            if post.version != alert.version:
                found.append(f"alert {alert.alert_id} shows version {post.version}, but {alert.version} facts joined")
    found += [f"{post[0].provider} shows {alert_id}, which no table holds" for alert_id, post in posts.items()]
    return found
