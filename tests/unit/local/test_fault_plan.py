"""A fault plan says exactly what happens when, and a plan that cannot be read says why."""

import pytest

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import (
    FunctionFault,
    OperationFault,
    Partition,
    PoisonRecord,
    RegionLost,
    ThirdParty,
)
from constructs_lib.local.faults.notation import in_words
from constructs_lib.local.faults.plan import Step, read_faults, schedule

ONE_OF_EACH = """
[[fault]]
kind = "third-party"
where = "slack"
mode = "throttled"
retry_after = "5s"
at = "0s"
for = "1m"
[[fault]]
kind = "operation"
service = "dynamodb"
operation = "PutItem"
region = "eu-west-1"
mode = "slow"
by = "250ms"
at = "1m"
for = "1.5s"
[[fault]]
kind = "region"
region = "us-east-1"
at = "1h"
for = "1s"
[[fault]]
kind = "partition"
regions = ["us-east-1", "eu-west-1"]
at = "1s"
for = "1s"
[[fault]]
kind = "function"
function = "NotifyTeams"
mode = "crash"
after = "20ms"
at = "1s"
for = "1s"
[[fault]]
kind = "record"
where = "slack"
at = "1s"
for = "1s"
"""
SLACK_DOWN = '[[fault]]\nkind = "third-party"\nwhere = "slack"\nmode = "down"\n'
TIMES = 'at = "1s"\nfor = "2s"\n'


def test_every_kind_is_read_with_its_options() -> None:
    """Times are seconds; what is not given has its default."""
    assert [planned.fault for planned in read_faults(ONE_OF_EACH, name="plan")] == [
        ThirdParty(where="slack", mode="throttled", retry_after=5.0),
        OperationFault(service="dynamodb", operation="PutItem", mode="slow", region="eu-west-1", by=0.25),
        RegionLost(region="us-east-1"),
        Partition(regions=frozenset({"us-east-1", "eu-west-1"})),
        FunctionFault(function="NotifyTeams", mode="crash", after=0.02),
        PoisonRecord(where="slack"),
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
        ("[[fault]]\nwhere = 'x'", ["[[fault]] 1", "'kind' is missing", "region, partition, operation"]),
        ("[[fault]]\nkind = 'weather'", ["'kind' is 'weather'", "function, third-party, record"]),
        (SLACK_DOWN.replace("down", "sulking") + TIMES, ["[[fault]] 1", "'sulking'; allowed: down, refuse, slow"]),
        (SLACK_DOWN + TIMES + "hwo = 1", ["'hwo' is not known here", "kind, where, mode, by, retry_after, at, for"]),
        (SLACK_DOWN + TIMES + "by = 1", ["'by' is 1;", '"30s"']),
        (SLACK_DOWN + TIMES + 'by = "1h"', ["[[fault]] 1", "0 to 900 seconds, not 3600.0"]),
        (SLACK_DOWN + 'at = "1s"', ["'for' is missing", '"30s"']),
        (SLACK_DOWN + 'at = 1\nfor = "2s"', ["'at' is 1;", '"30s"']),
        (SLACK_DOWN + TIMES + 'every = "5s"', ["'every'", "together with `times`"]),
        (SLACK_DOWN + TIMES + "times = 2", ["'every' is missing", "together with `times`"]),
        (SLACK_DOWN + TIMES + "times = 0", ["'times' is 0", "a whole number from 1"]),
        (SLACK_DOWN + TIMES + 'every = "1s"\ntimes = 2', ["'every' is '1s'", "at least as long as `for`, 2s"]),
        ("[[fault]]\nkind='region'\n" + TIMES, ["[[fault]] 1", "takes region; given were (none)"]),
        ("[[fault]]\nkind='partition'\nregions=['us-east-1']\n" + TIMES, ["two different ones, not ['us-east-1']"]),
        ("[[fault]]\nkind='function'\nfunction=''\nmode='crash'\n" + TIMES, ["must be a text, not ''"]),
    ],
)
def test_a_plan_that_cannot_be_read_says_where_and_what_is_allowed(text: str, words: list[str]) -> None:
    """The place, what was given, and the way out."""
    with pytest.raises(LocalCloudError) as caught:
        read_faults(text, name="plan.toml")
    for word in words:
        assert word in str(caught.value)


def test_a_fault_in_words_names_all_that_tells_it_from_others() -> None:
    """For logs and reports."""
    assert [in_words(planned.fault) for planned in read_faults(ONE_OF_EACH, name="plan")] == [
        "third-party slack throttled",
        "operation dynamodb:PutItem slow in eu-west-1",
        "region us-east-1 lost",
        "partition eu-west-1 and us-east-1 cut",
        "function NotifyTeams crash",
        "record slack",
    ]


def test_the_faults_of_a_drill_can_be_had_without_it() -> None:
    """The same plan drills an app of its own, and breaks one that runs already."""
    drill = 'subject = "a:b"\nsummary = "."\n[load]\nevery = "1s"\n[promises]\nlost = 0\n'

    assert [planned.fault for planned in read_faults(drill + SLACK_DOWN + TIMES, name="plan")] == [
        ThirdParty(where="slack", mode="down")
    ]
