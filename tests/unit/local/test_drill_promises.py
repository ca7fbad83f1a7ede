"""Promises are judged by what was measured, and a report says both."""

import json
from dataclasses import replace

import pytest

from constructs_lib.local.drill.measurement import Evidence, Measurement, Sent, Window, measure
from constructs_lib.local.drill.plan import DrillPlan, Load, Promises
from constructs_lib.local.drill.promises import judge
from constructs_lib.local.drill.report import LogEntry, Report
from constructs_lib.local.drill.subject import Arrival, Sample, Signal

TIMES = [*range(0, 100, 2), *range(100, 200, 2), *range(200, 210, 2)]


def sent(at: float, *, accepted: bool = True) -> Sent:
    """One event."""
    return Sent(sample=Sample(id=f"e{at}", dependency="teams", region="us-east-1"), at=at, accepted=accepted)


GOOD = Evidence(
    sent=[sent(at) for at in TIMES],
    arrivals=[Arrival(sample_id=f"e{at}", at=at + 1.0) for at in TIMES],
    recoverable={},
    windows=[Window(fault="third-party slack down", begin=100.0, end=200.0)],
    signals=[Signal(at=104.0, what="RecordsHeld of Slack")],
    settle=50.0,
)
LATE = replace(GOOD, arrivals=[Arrival(sample_id=f"e{at}", at=at + (60.0 if 100 <= at < 200 else 1.0)) for at in TIMES])
MISSING = replace(GOOD, arrivals=GOOD.arrivals[:-1])
TWICE = replace(GOOD, arrivals=[*GOOD.arrivals, GOOD.arrivals[0]])
# Now and then undisturbed events take ten times as long, those in the fault never.
NOISY = replace(
    GOOD, arrivals=[Arrival(sample_id=f"e{at}", at=at + (10.0 if at < 100 and at % 50 < 4 else 1.0)) for at in TIMES]
)
REFUSED = replace(GOOD, sent=[*GOOD.sent, sent(99.0, accepted=False)])


@pytest.mark.parametrize(
    ("promises", "evidence", "held"),
    [
        (Promises(lost=0), GOOD, True),
        (Promises(lost=0), MISSING, False),
        (Promises(lost=1), MISSING, True),
        (Promises(lost=0), replace(MISSING, recoverable={"e208": "waiting"}), True),
        (Promises(duplicated=0), GOOD, True),
        (Promises(duplicated=0), TWICE, False),
        (Promises(refused=0), GOOD, True),
        (Promises(refused=0), REFUSED, False),
        (Promises(delivers_during=("teams",)), GOOD, True),
        (Promises(delivers_during=("teams",)), LATE, False),
        (Promises(delivers_during=("slack",)), GOOD, False),
        (Promises(delivers_during=("teams",)), replace(GOOD, windows=[]), False),
        (Promises(untouched=("teams",), pairs=50), GOOD, True),
        (Promises(untouched=("teams",), pairs=50), LATE, False),
        (Promises(untouched=("teams",), pairs=51), GOOD, False),
        (Promises(untouched=("teams",), pairs=50), NOISY, False),
        (Promises(untouched=("slack",), pairs=1), GOOD, False),
        (Promises(detected_within=4.0), GOOD, True),
        (Promises(detected_within=3.0), GOOD, False),
        (Promises(detected_within=3.0), replace(GOOD, signals=[]), False),
        (Promises(detected_within=3.0), replace(GOOD, windows=[]), False),
        (Promises(recovered_within=1.0), GOOD, True),
        (Promises(recovered_within=1.0), LATE, False),
        (Promises(recovered_within=1.0), replace(GOOD, arrivals=GOOD.arrivals[:50]), False),
    ],
)
def test_a_promise_holds_when_the_figures_say_so(promises: Promises, evidence: Evidence, held: bool) -> None:
    """Each by itself; what could not be measured has not held."""
    (verdict,) = judge(promises, measure(evidence))
    assert verdict.held is held


def test_a_drill_in_which_nothing_was_accepted_shows_nothing() -> None:
    """Or every promise would hold of an app that is down."""
    nothing = replace(GOOD, sent=[sent(1.0, accepted=False)], arrivals=[])
    assert [(each.promise, each.held) for each in judge(Promises(lost=0), measure(nothing))] == [
        ("something accepted", False),
        ("at most 0 lost", True),
    ]


def report(measurement: Measurement, promises: Promises) -> Report:
    """A report of a drill called outage."""
    load = Load(every=1.0, lasts=210.0, settle=50.0, patience=1.0)
    plan = DrillPlan(name="outage", subject="m:f", summary="It holds.", load=load, faults=(), promises=promises)
    log = [LogEntry(at=0.0, what="begins")]
    return Report(plan=plan, measurement=measurement, verdicts=judge(promises, measurement), log=log)


def test_a_report_in_text_says_what_held_and_gives_the_figures() -> None:
    """Books, latencies, comparison, and the course of each fault."""
    evidence = replace(MISSING, recoverable={"e208": "quarantined"})
    text = report(measure(evidence), Promises(lost=0, detected_within=1.0)).text()
    for words in (
        "outage: a promise was broken",
        "held    at most 0 lost: 0 of 105",
        "BROKEN  detected within 1 s: 4.0 s",
        "(1 quarantined)",
        "teams      us-east-1    during      50    1.00    1.00    1.00    1.00",
        "teams: p99 1.00 s during, 1.00 s undisturbed, ratio 1.00; undisturbed against itself 1.00 to 1.00 (bootstrap)",
        "third-party slack down for 100 s: detected after 4.0 s (RecordsHeld of Slack), recovered 1.0 s after its end",
    ):
        assert words in text
    assert "outage: every promise held" in report(measure(GOOD), Promises(lost=0)).text()


def test_a_report_in_json_holds_all_of_it() -> None:
    """As numbers, for programs."""
    content = json.loads(json.dumps(report(measure(MISSING), Promises(lost=0)).to_json()))
    assert content["held"] is False
    assert content["promises"] == [{"promise": "at most 0 lost", "held": False, "figures": "1 of 105"}]
    assert content["total"]["lost"] == ["e208"]
    assert content["dependencies"]["teams"]["delivered"] == 104
    assert {each["phase"]: each["number"] for each in content["latency_seconds"]} == {
        "before": 50,
        "during": 50,
        "after": 4,
    }
    assert content["comparisons"]["teams"]["ratio"] == 1.0
    assert content["faults"][0]["detected_after"] == 4.0
    kept = replace(MISSING, recoverable={"e208": "quarantined"})
    assert report(measure(kept), Promises()).to_json()["total"]["recoverable"] == {"quarantined": 1}
    assert content["log"] == [{"at": 0.0, "what": "begins"}]
