"""A drill of the running alerting system, small: what it accepts is delivered, once, and faults stay where they are."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.drill.plan import Load
from constructs_lib.local.drill.report import Report
from constructs_lib.local.drill.run import Drill
from constructs_lib.local.faults.model import ThirdParty
from tests.e2e.drills.subject import AlertingSubject, warm_up
from tests.e2e.run.system import System

pytestmark = pytest.mark.local_cloud

PLANS = Path(__file__).parent / "drills"


@pytest.mark.requirement("ISO-03")
def test_a_bug_of_teams_loses_and_doubles_nothing_and_slack_goes_on(system: System) -> None:
    """Its function raises on whatever it is given; what was sent meanwhile arrives when the bug is mended."""
    report = drill(system, "teams-bug", at=6.0, lasts=16.0)
    assert report.held, report.text()
    total = report.measurement.total
    assert (total.accepted, total.delivered, total.lost, total.duplicated) == (60, 60, (), ())
    (bug,) = report.measurement.courses
    assert bug.delivered_during["slack"][0] > 0
    assert bug.delivered_during["teams"][0] == 0
    assert bug.signal is not None
    assert bug.signal.what.startswith("Errors of NotifyTeams")


def test_a_record_that_nobody_can_read_costs_itself(system: System) -> None:
    """It is set aside, which is signalled; alerts before and after it arrive."""
    report = drill(system, "poison-record", at=6.0, lasts=16.0)
    assert report.held, report.text()
    total = report.measurement.total
    assert (total.accepted, total.delivered, total.lost, total.duplicated) == (60, 60, (), ())
    (poison,) = report.measurement.courses
    assert poison.signal is not None
    assert poison.signal.what.startswith("RecordsQuarantined of Slack")


def test_an_outage_of_slack_loses_and_doubles_nothing_and_teams_goes_on(system: System) -> None:
    """What was sent to Slack meanwhile arrives afterwards; the drill has noticed the outage."""
    report = drill(system, "slack-outage", at=6.0, lasts=16.0)
    assert report.held, report.text()
    total = report.measurement.total
    assert (total.accepted, total.delivered, total.lost, total.duplicated) == (60, 60, (), ())
    (outage,) = report.measurement.courses
    assert outage.delivered_during["teams"][0] > 0
    assert outage.delivered_during["slack"][0] == 0
    assert outage.signal is not None
    assert outage.recovered_after is not None


def test_a_workspace_that_is_limited_waits_aside_and_loses_and_doubles_nothing(system: System) -> None:
    """Its messages are parked, which is signalled, and arrive with the next visit; here it is Slack's only one."""
    report = drill(system, "throttled-tenant", at=6.0, lasts=16.0, where="slack/acme")
    assert report.held, report.text()
    total = report.measurement.total
    assert (total.accepted, total.delivered, total.lost, total.duplicated) == (60, 60, (), ())
    (limit,) = report.measurement.courses
    assert limit.delivered_during["teams"][0] > 0
    assert limit.signal is not None
    assert limit.signal.what.startswith("RecordsParked of Slack")


def drill(system: System, name: str, *, at: float, lasts: float, where: str | None = None) -> Report:
    """The drill of that name in half a minute, its fault once, and elsewhere where that is said."""
    full = drill_command.load(PLANS / f"{name}.toml")
    fault = full.faults[0].fault
    if where is not None:
        assert isinstance(fault, ThirdParty)
        fault = replace(fault, where=where)
    plan = replace(
        full,
        load=Load(every=1.0, lasts=30.0, settle=6.0, patience=80.0),
        faults=(replace(full.faults[0], fault=fault, at=at, lasts=lasts, every=0.0, times=1),),
        # Too few samples to compare latencies, and a busy machine is no broken promise.
        promises=replace(full.promises, delivers_during=(), untouched=(), detected_within=None, recovered_within=None),
    )
    subject = AlertingSubject(system)
    warm_up(subject)
    return Drill(plan, subject, run_id=f"{name}-{time.time_ns():x}", progress=print).run()
