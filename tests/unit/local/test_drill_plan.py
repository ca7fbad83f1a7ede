"""A drill plan names a load and promises; one that cannot be read says why."""

import pytest

from constructs_lib.local.drill.plan import Load, Promises, read_drill
from constructs_lib.local.errors import LocalCloudError

PLAN = """
subject = "my.drills:app"
summary = "It holds."
[load]
every = "500ms"
for = "60s"
settle = "5s"
patience = "30s"
[[fault]]
kind = "third-party"
where = "slack"
mode = "down"
at = "10s"
for = "20s"
[promises]
lost = 0
duplicated = 1
refused = 2
delivers_during = ["teams"]
untouched = ["teams"]
pairs = 50
detected_within = "10s"
recovered_within = "1m"
"""


def test_a_plan_is_read_whole() -> None:
    """Load, faults and promises, with times in seconds."""
    plan = read_drill(PLAN, name="outage")
    assert (plan.name, plan.subject, plan.summary) == ("outage", "my.drills:app", "It holds.")
    assert plan.load == Load(every=0.5, lasts=60.0, settle=5.0, patience=30.0)
    assert [planned.windows() for planned in plan.faults] == [((10.0, 30.0),)]
    assert plan.promises == Promises(
        lost=0,
        duplicated=1,
        refused=2,
        delivers_during=("teams",),
        untouched=("teams",),
        pairs=50,
        detected_within=10.0,
        recovered_within=60.0,
    )


def test_what_a_plan_does_not_promise_is_not_judged() -> None:
    """Nothing is promised by default."""
    assert read_drill(PLAN[: PLAN.index("[promises]")], name="outage").promises == Promises()


@pytest.mark.parametrize(
    ("given", "instead", "words"),
    [
        ("subject", "sbuject", ["'sbuject' is not known here", "subject, summary, load, fault, promises"]),
        ('every = "500ms"', 'every = "0s"', ["[load]", "longer than nothing"]),
        ('every = "500ms"', "", ["[load]", "'every' is missing"]),
        ('for = "60s"', 'for = "20s"', ["[load]", "'for' is '20s'", "at least 30s, when the last fault ends"]),
        ("lost = 0", "lost = -1", ["[promises]", "'lost' is -1", "a whole number from 0"]),
        ("lost = 0", "lots = 0", ["[promises]", "'lots' is not known here", "lost, duplicated, refused"]),
        ('["teams"]', '"teams"', ["[promises]", "'delivers_during' is 'teams'", "a list of texts"]),
        ('mode = "down"', 'mode = "odd"', ["[[fault]] 1", "'odd'; allowed: down, refuse"]),
    ],
)
def test_a_plan_that_cannot_be_read_says_where_and_what_is_allowed(given: str, instead: str, words: list[str]) -> None:
    """The place, what was given, and the way out."""
    with pytest.raises(LocalCloudError) as caught:
        read_drill(PLAN.replace(given, instead, 1), name="outage")
    for word in ("outage", *words):
        assert word in str(caught.value)
