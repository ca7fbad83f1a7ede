"""A drill of the running alerting system, small: what it accepts is delivered, once, and faults stay where they are."""

from dataclasses import replace
from pathlib import Path

import pytest

from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.drill.plan import Load
from constructs_lib.local.drill.run import Drill
from tests.e2e.drills.subject import AlertingSubject, warm_up
from tests.e2e.run.system import System

pytestmark = pytest.mark.local_cloud

PLANS = Path(__file__).parent / "drills"


def test_an_outage_of_slack_loses_and_doubles_nothing_and_teams_goes_on(system: System) -> None:
    """What was sent to Slack meanwhile arrives afterwards; the drill has noticed the outage."""
    full = drill_command.load(PLANS / "slack-outage.toml")
    plan = replace(
        full,
        load=Load(every=1.0, lasts=30.0, settle=6.0, patience=60.0),
        faults=(replace(full.faults[0], at=6.0, lasts=16.0, every=0.0, times=1),),
        # Too few samples to compare latencies, and a busy machine is no broken promise.
        promises=replace(full.promises, untouched=(), detected_within=None, recovered_within=None),
    )
    subject = AlertingSubject(system)
    warm_up(subject)
    report = Drill(plan, subject, run_id="e2e", progress=print).run()
    assert report.held, report.text()
    total = report.measurement.total
    assert (total.accepted, total.delivered, total.lost, total.duplicated) == (60, 60, (), ())
    (outage,) = report.measurement.courses
    assert outage.delivered_during["teams"][0] > 0
    assert outage.delivered_during["slack"][0] == 0
    assert outage.signal is not None
    assert outage.recovered_after is not None
