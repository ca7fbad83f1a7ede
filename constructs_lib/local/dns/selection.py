"""Which record answers a question. No clock, no network, and chance from outside.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from constructs_lib.local.dns.distance import distance
from constructs_lib.local.dns.model import Policy, Record, Zone, plain_name
from constructs_lib.local.dns.unknowns import Unknowns

Draw = Callable[[int], int]
"""A number from 0 up to, not including, the one given."""

_TYPES = ("A", "AAAA", "CNAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a resolver learns.

    Attributes:
        target: Host or address behind the name.
        ttl: Seconds it may keep this.
        records: The records that led there, first to last.
    """

    target: str
    ttl: float
    records: tuple[Record, ...]


class Selection:
    """Answers questions from *zones*.

    Args:
        zones: Public hosted zones.
        unknowns: The choices for what the documentation leaves open.
        draw: Chance, for weighted records and for records with several values.
    """

    def __init__(self, zones: Sequence[Zone], unknowns: Unknowns, draw: Draw) -> None:
        self._zones = zones
        self._resource_ttl = float(unknowns.resource_ttl.value)
        self._draw = draw

    def names(self) -> tuple[str, ...]:
        """Every name that has an address, in order."""
        return tuple(sorted({record.name for zone in self._zones for record in zone.records if record.type in _TYPES}))

    def answer(self, name: str, client: str, healthy: Mapping[str, bool]) -> Answer | None:
        """What a client in region *client* learns about *name*; None if nothing.

        Args:
            name: Name asked for.
            client: Region whose distance to others decides between latency records.
            healthy: Status of each health check by id; one that is not there counts as healthy.
        """
        target, ttl = plain_name(name), float("inf")
        path: list[Record] = []
        while True:
            zone, kind = self._home(target, path)
            if zone is None:
                break
            group = _group(zone, target, kind)
            chosen = self._choose(zone, group, client, healthy) if group else None
            if chosen is None or chosen in path:
                return None
            path.append(chosen)
            if chosen.alias:
                target = chosen.alias.name
                if not _group(zone, target, chosen.type):
                    ttl = min(ttl, self._resource_ttl)
                    break
            else:
                target = plain_name(chosen.values[self._draw(len(chosen.values))])
                ttl = min(ttl, float(chosen.ttl))
                if chosen.type != "CNAME":
                    break
        return Answer(target=target, ttl=ttl, records=tuple(path)) if path else None

    def _home(self, name: str, path: Sequence[Record]) -> tuple[Zone | None, str]:
        """The zone and the type to look for *name* under."""
        # An alias stays in its type; a question for an address takes what there is.
        kinds = (path[-1].type,) if path and path[-1].alias else _TYPES
        found = [(zone, kind) for zone in self._zones for kind in kinds if _group(zone, name, kind)]
        # The zone closest to the name is the one that the name servers above point to.
        return max(found, key=lambda each: (len(each[0].name), -kinds.index(each[1])), default=(None, ""))

    def _choose(self, zone: Zone, group: Sequence[Record], client: str, healthy: Mapping[str, bool]) -> Record | None:
        policy = group[0].policy
        good = [record for record in group if _healthy(zone, record, healthy, frozenset())]
        if policy is Policy.LATENCY:
            return min(good or group, key=lambda record: (distance(client, record.region), record.region))
        if policy is Policy.FAILOVER:
            # Both unhealthy: the primary, as if both were healthy.
            return max(good or group, key=lambda record: record.primary)
        if policy is Policy.WEIGHTED:
            return self._weighted(group, good)
        return (good or list(group))[0] if policy is Policy.SIMPLE else None

    def _weighted(self, group: Sequence[Record], good: Sequence[Record]) -> Record:
        # Records without weight come in when none with weight is healthy; nobody healthy is as everybody healthy.
        for candidates in (_with_weight(good), good, _with_weight(group), group):
            if candidates:
                break
        weights = [record.weight or 1 for record in candidates]
        ticket = self._draw(sum(weights))
        for record, weight in zip(candidates, weights, strict=True):
            ticket -= weight
            if ticket < 0:
                return record
        raise AssertionError("draw gave a number outside its range")


def _with_weight(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.weight]


def _group(zone: Zone, name: str, kind: str) -> list[Record]:
    return [record for record in zone.records if record.name == name and record.type == kind]


def _healthy(zone: Zone, record: Record, checks: Mapping[str, bool], above: frozenset[Record]) -> bool:
    """Whether *record* is healthy: its own check and, if it asks for that, something it leads to."""
    if not checks.get(record.health_check_id, True):
        return False
    if record in above or not (record.alias and record.alias.evaluate_target_health):
        return True
    targets = _group(zone, record.alias.name, record.type)
    # No target in the zone: an AWS resource. Of API Gateway this says nothing; it is made never to be down.
    return not targets or any(_healthy(zone, target, checks, above | {record}) for target in targets)
