"""How far regions are from each other."""

import itertools

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.dns.distance import REGIONS, distance

regions = st.sampled_from(sorted(REGIONS))


def test_every_region_a_latency_record_can_name_has_a_place() -> None:
    """As the SDK's model of Route 53 lists them."""
    client = boto3.client("route53", region_name="us-east-1")
    assert set(client.meta.service_model.shape_for("ResourceRecordSetRegion").enum) <= REGIONS


@pytest.mark.parametrize(
    ("one", "other", "kilometres"), [("us-east-1", "eu-west-1", 5450), ("ap-southeast-2", "us-west-1", 11980)]
)
def test_distances_are_those_of_the_globe(one: str, other: str, kilometres: float) -> None:
    """Washington to Dublin, Sydney to San Francisco, within three percent."""
    assert distance(one, other) == pytest.approx(kilometres, rel=0.03)


@pytest.mark.parametrize(
    ("client", "nearest", "farther"),
    [
        ("eu-central-1", "eu-west-1", "us-east-1"),
        ("us-west-2", "us-east-1", "eu-west-1"),
        ("sa-east-1", "us-east-1", "eu-west-1"),
        ("ap-south-1", "eu-west-1", "us-east-1"),
    ],
)
def test_continents_go_where_one_expects(client: str, nearest: str, farther: str) -> None:
    """Between the two regions most apps choose."""
    assert distance(client, nearest) < distance(client, farther)


@given(regions, regions)
def test_distance_is_the_same_both_ways(one: str, other: str) -> None:
    """And a region is nearest to itself."""
    assert distance(one, other) == pytest.approx(distance(other, one))
    assert distance(one, one) == 0 <= distance(one, other)


def test_no_way_round_is_shorter() -> None:
    """The triangle inequality, over all regions."""
    for one, over, other in itertools.permutations(sorted(REGIONS)[::3], 3):
        assert distance(one, other) <= distance(one, over) + distance(over, other) + 1e-6
