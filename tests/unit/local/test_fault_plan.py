"""A fault plan says exactly what happens when, and a plan that cannot be read says why."""

import pytest

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.plan import Step, read_faults, schedule
from constructs_lib.local.faults.plan_kinds import (
    FunctionFault,
    Operation,
    Partition,
    PoisonRecord,
    RegionLoss,
    ThirdParty,
    in_words,
)

REGIONS = ("us-east-1", "eu-west-1")
ONE_OF_EACH = """
[[fault]]
what = "third-party"
where = "slack"
mode = "throttled"
retry_after = "5s"
at = "0s"
for = "1m"
[[fault]]
what = "operation"
where = "dynamodb:PutItem"
region = "eu-west-1"
mode = "slow"
by = "250ms"
at = "1m"
for = "1.5s"
[[fault]]
what = "region"
where = "us-east-1"
mode = "lost"
at = "1h"
for = "1s"
[[fault]]
what = "partition"
where = ["us-east-1", "eu-west-1"]
mode = "cut"
at = "1s"
for = "1s"
[[fault]]
what = "function"
where = "NotifyTeams"
mode = "raises"
at = "1s"
for = "1s"
[[fault]]
what = "record"
where = "slack"
mode = "unreadable"
at = "1s"
for = "1s"
"""
SLACK_DOWN = '[[fault]]\nwhat = "third-party"\nwhere = "slack"\nmode = "down"\n'
TIMES = 'at = "1s"\nfor = "2s"\n'


def test_every_kind_is_read_with_its_options() -> None:
    """Times are seconds; what is not given has its default."""
    assert [planned.fault for planned in read_faults(ONE_OF_EACH, name="plan", regions=REGIONS)] == [
        ThirdParty(where="slack", mode="throttled", retry_after=5.0),
        Operation(where="dynamodb:PutItem", mode="slow", region="eu-west-1", by=0.25),
        RegionLoss(where="us-east-1", mode="lost"),
        Partition(where=("us-east-1", "eu-west-1"), mode="cut"),
        FunctionFault(where="NotifyTeams", mode="raises"),
        PoisonRecord(where="slack", mode="unreadable"),
    ]
    first, second = read_faults(ONE_OF_EACH, name="plan")[:2]
    assert (first.windows(), second.windows()) == (((0.0, 60.0),), ((60.0, 61.5),))


def test_a_fault_that_comes_back_is_started_and_stopped_each_time() -> None:
    """Where one ends as it begins again, it ends first."""
    (planned,) = read_faults(SLACK_DOWN + TIMES + 'every = "2s"\ntimes = 2\n', name="plan")
    down = planned.fault
    assert schedule([planned]) == (
        Step(at=1.0, action="start", fault=down),
        Step(at=3.0, action="stop", fault=down),
        Step(at=3.0, action="start", fault=down),
        Step(at=5.0, action="stop", fault=down),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fault = [", ["plan.toml is not TOML"]),
        ("fualt = 1", ["plan.toml", "'fualt'", "allowed are fault"]),
        ("fault = 1", ["'fault' is 1", "[[fault]]"]),
        ("[[fault]]\nwhere = 'x'", ["[[fault]] 1", "'what' is missing", "third-party, operation, region"]),
        ("[[fault]]\nwhat = 'weather'", ["'what' is 'weather'", "partition, function, record"]),
        (SLACK_DOWN.replace("down", "sulking") + TIMES, ["'mode' is 'sulking'", "down, refuse, slow, hanging"]),
        (SLACK_DOWN + TIMES + "hwo = 1", ["'hwo' is not known here", "what, where, mode, by, retry_after, at, for"]),
        (SLACK_DOWN + 'at = "1s"', ["'for' is missing", '"30s"']),
        (SLACK_DOWN + 'at = 1\nfor = "2s"', ["'at' is 1;", '"30s"']),
        (SLACK_DOWN + TIMES + 'every = "5s"', ["'every'", "together with `times`"]),
        (SLACK_DOWN + TIMES + "times = 2", ["'every' is missing", "together with `times`"]),
        (SLACK_DOWN + TIMES + "times = 0", ["'times' is 0", "a whole number from 1"]),
        (SLACK_DOWN + TIMES + 'every = "1s"\ntimes = 2', ["'every' is '1s'", "at least as long as `for`, 2s"]),
        ("[[fault]]\nwhat='region'\nwhere='mars-1'\nmode='lost'\n" + TIMES, ["'mars-1'", "us-east-1, eu-west-1"]),
        ("[[fault]]\nwhat='partition'\nwhere=['us-east-1']\nmode='cut'\n" + TIMES, ["two different regions"]),
        (
            "[[fault]]\nwhat='partition'\nwhere=['us-east-1','us-east-1']\nmode='cut'\n" + TIMES,
            ["two different regions"],
        ),
        ("[[fault]]\nwhat='partition'\nwhere=['us-east-1','mars-1']\nmode='cut'\n" + TIMES, ["'mars-1'", "eu-west-1"]),
        (
            "[[fault]]\nwhat='operation'\nwhere='s3:*'\nregion='mars-1'\nmode='slow'\n" + TIMES,
            ["'region' is 'mars-1'", "us-east-1, eu-west-1"],
        ),
    ],
)
def test_a_plan_that_cannot_be_read_says_where_and_what_is_allowed(text: str, words: list[str]) -> None:
    """The place, what was given, and the way out."""
    with pytest.raises(LocalCloudError) as caught:
        read_faults(text, name="plan.toml", regions=REGIONS)
    for word in words:
        assert word in str(caught.value)


def test_a_fault_in_words_names_all_that_tells_it_from_others() -> None:
    """For logs and reports."""
    assert [in_words(planned.fault) for planned in read_faults(ONE_OF_EACH, name="plan")] == [
        "third-party slack throttled",
        "operation dynamodb:PutItem slow in eu-west-1",
        "region us-east-1 lost",
        "partition us-east-1 and eu-west-1 cut",
        "function NotifyTeams raises",
        "record slack unreadable",
    ]
