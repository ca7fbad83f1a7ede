"""Which record answers a question."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.dns.distance import REGIONS, distance
from constructs_lib.local.dns.model import Policy, Record, Zone
from constructs_lib.local.dns.selection import Selection
from constructs_lib.local.dns.unknowns import ResourceTtl, Unknowns
from tests.unit.local.dns_building import NAME, failover, latency, to, weighted, zone

USUAL = Unknowns()


def ask(*zones: Zone, client: str = "us-east-1", draw: int = 0, down: Sequence[str] = (), name: str = NAME) -> str:
    """What *name* leads to, with the checks in *down* unhealthy; empty if nowhere."""
    found = Selection(zones, USUAL, lambda limit: draw % limit).answer(name, client, dict.fromkeys(down, False))
    return found.target if found else ""


def shares(*records: Record, down: Sequence[str] = ()) -> dict[str, int]:
    """How often each target comes when every ticket is drawn once."""
    tickets: list[int] = []

    def draw(limit: int) -> int:
        tickets.append(limit)
        return 0

    Selection([zone(*records)], USUAL, draw).answer(NAME, "us-east-1", dict.fromkeys(down, False))
    return dict(Counter(ask(zone(*records), draw=each, down=down) for each in range(tickets[0])))


def test_latency_records_name_the_nearest_region() -> None:
    """Nearest to the client, of those that have a record."""
    records = zone(latency("eu-west-1"), latency("us-east-1"))
    assert ask(records, client="eu-central-1") == "eu-west-1"
    assert ask(records, client="us-west-2") == "us-east-1"


def test_an_unhealthy_region_is_passed_over() -> None:
    """Its clients go to the next best one."""
    records = zone(
        latency("eu-west-1", health_check_id="eu"), latency("us-east-1", health_check_id="us"), latency("ap-south-1")
    )
    assert ask(records, client="eu-west-1", down=["eu"]) == "us-east-1"
    assert ask(records, client="eu-west-1", down=["eu", "us"]) == "ap-south-1"


def test_a_record_without_a_check_is_healthy() -> None:
    """Always."""
    assert ask(zone(latency("eu-west-1", health_check_id="eu"), latency("us-east-1")), down=["eu"]) == "us-east-1"


def test_when_none_is_healthy_all_are() -> None:
    """The policy chooses as if nothing were wrong."""
    records = zone(latency("eu-west-1", health_check_id="eu"), latency("us-east-1", health_check_id="us"))
    assert ask(records, client="eu-west-2", down=["eu", "us"]) == "eu-west-1"
    assert ask(records, client="us-west-2", down=["eu", "us"]) == "us-east-1"


@given(
    st.sets(st.sampled_from(sorted(REGIONS)), min_size=1, max_size=6),
    st.sampled_from(sorted(REGIONS)),
    st.sets(st.sampled_from(sorted(REGIONS))),
)
def test_no_healthy_region_is_nearer(regions: set[str], client: str, lost: set[str]) -> None:
    """Whatever regions there are and are lost, the answer is the nearest of those left, or of all if none is left."""
    records = zone(*(latency(region, health_check_id=region) for region in sorted(regions)))
    chosen = ask(records, client=client, down=sorted(lost))
    left = regions - lost or regions
    assert chosen in left
    assert distance(client, chosen) == min(distance(client, region) for region in left)


@pytest.mark.parametrize(("down", "expected"), [((), "one"), (("1",), "two"), (("2",), "one"), (("1", "2"), "one")])
def test_failover_names_the_primary_unless_only_the_secondary_is_healthy(down: Sequence[str], expected: str) -> None:
    """With both unhealthy too."""
    records = (
        failover("two", primary=False, health_check_id="2"),
        failover("one", primary=True, health_check_id="1"),
    )
    assert ask(zone(*records), down=down) == expected
    assert ask(zone(*reversed(records)), down=down) == expected


def test_a_secondary_without_a_check_takes_over() -> None:
    """Whatever is behind it."""
    records = zone(failover("one", primary=True, health_check_id="1"), failover("two", primary=False))
    assert ask(records, down=["1"]) == "two"


def test_weights_are_shares() -> None:
    """Of the sum of all."""
    assert shares(weighted("a", 1), weighted("b", 3)) == {"a": 1, "b": 3}


def test_an_unhealthy_weighted_record_leaves_its_share_to_the_others() -> None:
    """In proportion."""
    records = (weighted("a", 1), weighted("b", 3, health_check_id="b"), weighted("c", 2))
    assert shares(*records, down=["b"]) == {"a": 1, "c": 2}


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        (("1", "2"), {"three"}),
        (("1", "2", "3"), {"one", "two"}),
        (("1", "3"), {"two"}),
        (("3",), {"one", "two"}),
        ((), {"one", "two"}),
    ],
)
def test_a_record_without_weight_waits_for_the_others_to_fail(down: Sequence[str], expected: set[str]) -> None:
    """The documentation's table, row by row."""
    records = (
        weighted("one", 1, health_check_id="1"),
        weighted("two", 1, health_check_id="2"),
        weighted("three", 0, health_check_id="3"),
    )
    assert set(shares(*records, down=down)) == expected


def test_records_that_are_all_without_weight_have_equal_shares() -> None:
    """Also when none of them is healthy."""
    records = (weighted("a", 0, health_check_id="a"), weighted("b", 0, health_check_id="b"))
    assert shares(*records) == {"a": 1, "b": 1}
    assert shares(*records, down=["a", "b"]) == {"a": 1, "b": 1}


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=6), st.randoms())
def test_a_weighted_record_is_only_chosen_for_a_reason(group: list[tuple[int, bool]], chance: random.Random) -> None:
    """It is healthy, or none is; it has weight, or none of the healthy ones has."""
    records = [weighted(str(index), weight, health_check_id=str(index)) for index, (weight, _) in enumerate(group)]
    healthy = {str(index): up for index, (_, up) in enumerate(group)}
    found = Selection([zone(*records)], USUAL, chance.randrange).answer(NAME, "us-east-1", healthy)
    assert found is not None
    weight, up = group[int(found.target)]
    assert up or not any(healthy.values())
    assert weight or not any(each for each, also_up in group if also_up or not any(healthy.values()))


def test_simple_records_answer_whatever_their_check_says() -> None:
    """There is nothing to choose between; of several values chance gives one."""
    record = Record(name=NAME, type="A", values=("one", "two"), ttl=60, health_check_id="1")
    assert [ask(zone(record), draw=each, down=["1"]) for each in (0, 1)] == ["one", "two"]


REGIONAL = (
    latency("us-east-1", alias=to("us.example.com"), health_check_id="us-all"),
    latency("eu-west-1", alias=to("eu.example.com")),
    weighted("us-a", 1, name="us.example.com", health_check_id="us-a"),
    weighted("us-b", 1, name="us.example.com", health_check_id="us-b"),
    weighted("eu-a", 1, name="eu.example.com", health_check_id="eu-a"),
)


def test_an_alias_that_evaluates_its_target_needs_one_healthy_record_there() -> None:
    """With none it is passed over, with one that one answers."""
    assert ask(zone(*REGIONAL)) == "us-a"
    assert ask(zone(*REGIONAL), down=["us-a"]) == "us-b"
    assert ask(zone(*REGIONAL), down=["us-a", "us-b"]) == "eu-a"


def test_a_check_of_the_alias_itself_must_pass_too() -> None:
    """Although everything behind it is healthy."""
    assert ask(zone(*REGIONAL), down=["us-all"]) == "eu-a"


def test_an_alias_that_does_not_evaluate_its_target_stays() -> None:
    """Its branch must give an answer, healthy or not."""
    records = [latency("us-east-1", alias=to("us.example.com", evaluate=False)), *REGIONAL[1:]]
    assert ask(zone(*records), down=["us-a", "us-b"]) == "us-a"


def test_when_no_branch_is_healthy_all_are() -> None:
    """The best one for the client is taken, and in it all records count as healthy."""
    assert ask(zone(*REGIONAL), down=["us-a", "us-b", "eu-a"]) == "us-a"
    assert ask(zone(*REGIONAL), down=["us-a", "us-b", "eu-a"], client="eu-west-1") == "eu-a"


def test_a_record_without_a_check_keeps_its_branch_healthy() -> None:
    """It always counts as healthy."""
    records = [*REGIONAL, weighted("us-c", 1, name="us.example.com")]
    assert ask(zone(*records), down=["us-a", "us-b"]) == "us-c"


def test_an_alias_to_api_gateway_is_healthy() -> None:
    """Evaluating the target's health brings nothing there: only a health check takes the record out."""
    host = "d-1.execute-api.us-east-1.amazonaws.com"
    records = zone(latency("us-east-1", alias=to(host), health_check_id="us"), latency("eu-west-1"))
    assert ask(records) == host
    assert ask(records, down=["us"]) == "eu-west-1"


def test_aliases_that_lead_round_give_no_answer() -> None:
    """Neither do they keep anyone busy."""
    records = zone(
        Record(name=NAME, type="A", alias=to("other.example.com")),
        Record(name="other.example.com", type="A", alias=to(NAME)),
    )
    assert ask(records) == ""


def test_a_cname_leads_on() -> None:
    """To whatever has that name, in this zone or another one, or nowhere here."""
    first = zone(Record(name=NAME, type="CNAME", values=("api.example.org.",), ttl=60))
    assert ask(first) == "api.example.org"
    assert ask(first, zone(latency("eu-west-1", name="api.example.org"), name="example.org")) == "eu-west-1"


def test_names_are_compared_without_case_and_last_dot() -> None:
    """As DNS does."""
    assert ask(zone(latency("eu-west-1")), name="API.Example.COM.") == "eu-west-1"


def test_the_closest_zone_answers() -> None:
    """A zone of a part of the name has it by delegation."""
    wide = zone(latency("eu-west-1"))
    close = zone(latency("us-west-2"), name=NAME)
    for zones in itertools.permutations((wide, close)):
        assert ask(*zones) == "us-west-2"


def test_an_unknown_name_has_no_answer() -> None:
    """And records that are chosen otherwise give none."""
    assert ask(zone(latency("eu-west-1")), name="nothing.example.com") == ""
    assert ask(zone(Record(name=NAME, type="A", policy=Policy.OTHER, values=("1",), ttl=60))) == ""


def ttl(*records: Record, unknowns: Unknowns = USUAL) -> float:
    """How long the answer may be kept."""
    found = Selection([zone(*records)], unknowns, lambda _: 0).answer(NAME, "us-east-1", {})
    assert found is not None
    return found.ttl


def test_an_answer_lasts_as_long_as_its_record_says() -> None:
    """That of the target, for an alias; the shortest, over several."""
    assert ttl(Record(name=NAME, type="A", values=("1",), ttl=5)) == 5
    target = Record(name="other.example.com", type="A", values=("1",), ttl=7)
    assert ttl(Record(name=NAME, type="A", alias=to("other.example.com")), target) == 7
    assert ttl(Record(name=NAME, type="CNAME", values=("other.example.com",), ttl=3), target) == 3


def test_unknown_how_long_an_answer_of_api_gateway_lasts() -> None:
    """An alias to a resource has that resource's TTL, which is nowhere said."""
    record = Record(name=NAME, type="A", alias=to("d-1.execute-api.us-east-1.amazonaws.com"))
    assert ttl(record) == 60
    for choice in ResourceTtl:
        assert ttl(record, unknowns=Unknowns(resource_ttl=choice)) == choice.value


def test_the_way_of_an_answer_is_told() -> None:
    """From the first record to the last."""
    found = Selection([zone(*REGIONAL)], USUAL, lambda _: 0).answer(NAME, "us-east-1", {})
    assert found is not None
    assert [record.set_identifier for record in found.records] == ["us-east-1", "us-a"]
