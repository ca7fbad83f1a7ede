"""A fault of one dependency is felt by no other one, unless they share something; and the page says what was found."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_ports import Bounds
from tests.blast_radius import __main__ as command
from tests.blast_radius.faults import Fault
from tests.blast_radius.matrix import TARGET, Effect, Row, measure
from tests.blast_radius.measured import keep, kept, shorten
from tests.blast_radius.page import render
from tests.blast_radius.world import BATCH_SIZE, DEPENDENCIES, Course, Sharing
from tests.unit.runtime.stream_model import Shape

ROOT = Path(__file__).resolve().parents[2]
SHORT = Course(begin=5, end=30, sent_for=40)
BOTH_WAYS = DEPENDENCIES[:2]


def rows(*sharing: Sharing, faults: Sequence[Fault] = tuple(Fault), course: Course = SHORT) -> Sequence[Row]:
    """A reduced matrix: two dependencies are struck, for half a minute."""
    with ThreadPoolExecutor(1) as here:
        return measure(dependencies=BOTH_WAYS, faults=faults, sharing=sharing, course=course, executor=here)


@pytest.fixture(scope="module")
def isolated() -> Sequence[Row]:
    return rows(Sharing.NOTHING)


def found(matrix: Sequence[Row], fault: Fault) -> list[Row]:
    return [row for row in matrix if row.fault is fault]


@pytest.mark.requirement("ISO-02", "ISO-03")
def test_no_other_dependency_notices_a_fault(isolated: Sequence[Row]) -> None:
    """Whatever goes wrong, with whom: the messages for the others arrive, once each, and as quickly as without it."""
    assert {(row.dependency, row.fault) for row in isolated} == {
        (each.name, fault) for each in BOTH_WAYS for fault in Fault
    }
    for row in isolated:
        assert len(row.others) == len(DEPENDENCIES) - 1
        for effect in row.others.values():
            assert effect.messages >= SHORT.sent_for
            assert (effect.lost, effect.given_up, effect.twice) == (0, 0, 0), row
            assert effect.ratio <= TARGET, row


def test_the_dependency_itself_notices_every_fault(isolated: Sequence[Row]) -> None:
    """Else it would be no wonder that the others do not."""
    for row in isolated:
        assert not row.struck.is_none, row


@pytest.mark.requirement("ISO-03")
def test_what_was_struck_is_delivered_later_or_can_be_recovered(isolated: Sequence[Row]) -> None:
    """Nothing is lost and nothing arrives twice, with any fault."""
    for row in isolated:
        assert (row.struck.lost, row.struck.twice) == (0, 0), row


@pytest.mark.requirement("ISO-07")
@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.HANGING, Fault.GARBLED])
def test_an_outage_after_steady_traffic_puts_nothing_into_quarantine(fault: Fault) -> None:
    """Many calls that were answered before it hide it from the breaker for a while; that is no record's fault."""
    for row in rows(Sharing.NOTHING, faults=[fault], course=Course(begin=20, end=80, sent_for=90)):
        assert row.struck.given_up == 0, row


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.THROTTLED])
def test_nothing_that_is_slow_or_refused_for_a_while_is_given_up(isolated: Sequence[Row], fault: Fault) -> None:
    """All that was sent arrives in the end."""
    for row in found(isolated, fault):
        assert row.struck.given_up == 0, row


@pytest.mark.requirement("ISO-16")
def test_other_tenants_do_not_wait_for_one_that_is_refused(isolated: Sequence[Row]) -> None:
    """Not one of their messages arrives later than without the 429."""
    for row in found(isolated, Fault.THROTTLED):
        assert row.neighbours
        assert row.neighbours.messages > row.struck.messages
        assert row.neighbours.is_none
        assert row.neighbours.longest_wait == 0
        assert row.struck.ratio > TARGET


def test_other_records_survive_a_poison_record(isolated: Sequence[Row]) -> None:
    """They arrive, once each; some may wait while it is tried."""
    for row in found(isolated, Fault.POISON):
        assert row.struck.given_up == row.struck.messages > 1
        assert row.neighbours
        assert (row.neighbours.lost, row.neighbours.given_up, row.neighbours.twice) == (0, 0, 0)


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.SLOW, Fault.HANGING, Fault.GARBLED, Fault.BUG, Fault.CRASH])
def test_a_shared_stream_turns_the_matrix_red(fault: Fault) -> None:
    """The model can tell: on one stream, with one function, the others wait too."""
    for row in rows(Sharing.STREAM, faults=[fault]):
        assert not row.worst.is_none
        assert row.worst.ratio > 2


def test_scarce_concurrency_turns_the_matrix_red_until_it_is_reserved() -> None:
    """A consumer that hangs takes what the account has left; a reserved share cannot be taken."""
    scarce, reserved = (rows(sharing, faults=[Fault.HANGING])[0] for sharing in (Sharing.CONCURRENCY, Sharing.RESERVED))
    assert scarce.worst.ratio > 2
    assert reserved.worst.is_none


def test_the_model_is_set_as_the_template_sets_a_consumer() -> None:
    """Batch, lanes, time-out, breaker and hold; and no share of the account's concurrency."""
    folder = ROOT / "tests" / "snapshot" / "__snapshots__" / "test_templates"
    template = yaml.safe_load((folder / "test_template[Alerting-eu-west-1].template.yaml").read_text())
    consumers = [
        (mapping["Properties"], template["Resources"][mapping["Properties"]["FunctionName"]["Ref"]]["Properties"])
        for mapping in template["Resources"].values()
        if mapping["Type"] == "AWS::Lambda::EventSourceMapping" and "MaximumRecordAgeInSeconds" in mapping["Properties"]
    ]
    assert len(consumers) == 2
    for mapping, function in consumers:
        variables = function["Environment"]["Variables"]
        assert mapping["BatchSize"] == BATCH_SIZE
        assert mapping["ParallelizationFactor"] == min(dependency.parallelization for dependency in DEPENDENCIES)
        assert function["Timeout"] == Shape().timeout_seconds
        assert "ReservedConcurrentExecutions" not in function
        assert replace(BreakerSettings(), **json.loads(variables["RESILIENCE_BREAKER"])) == BreakerSettings()
        assert float(variables["RESILIENCE_HOLD_SECONDS"]) == Bounds().hold_seconds


def report(**comparison: Any) -> dict[str, Any]:
    """A drill's report with one dependency."""
    spread = {"low": 0.9, "high": 1.1}
    compared = {"pairs": 210, "undisturbed_p99": 0.4, "during_p99": 0.41, "ratio": 1.025, "bootstrap": spread}
    return {
        "drill": "slack-outage",
        "promises": [{"promise": "teams is untouched"}],
        "faults": [{"window": {"fault": "slack down"}}] * 4,
        "dependencies": {
            "teams": {
                "sent": 9,
                "delivered": 6,
                "recoverable": {"parked": 1, "quarantined": 2},
                "lost": [],
                "duplicated": [],
            }
        },
        "comparisons": {"teams": compared | comparison},
    }


def test_a_drills_report_comes_onto_the_page(tmp_path: Path, isolated: Sequence[Row]) -> None:
    """In short: the messages, the latencies, and how far undisturbed ones lie apart."""
    keep(shorten(report()), tmp_path / "measured")
    [drill] = kept(tmp_path / "measured")
    assert drill == shorten(report())
    page = render([*isolated, *(replace(row, sharing=each) for each in Sharing for row in isolated)], [drill])
    assert "| slack-outage | 4 times slack down | teams | 9 | 6 | 3 | 0 | 0 |" in page
    assert "| 1.02 | 0.90 to 1.10, 210 pairs |" in page


def test_a_shared_fault_stands_out_on_the_page(isolated: Sequence[Row]) -> None:
    """The cell of whoever suffers is bold, with what was lost."""
    ill = Effect(messages=9, lost=1, given_up=2, twice=0, p99=3.0, undisturbed_p99=1.0, longest_wait=2.0)
    red = [replace(row, others={"teams": ill}, sharing=each) for each in Sharing for row in isolated]
    assert "| **1 / 0 / 3.000, 2 in quarantine** |" in render(red, [])


def test_measured_drills_kept_their_promises() -> None:
    """What stands on the page as untouched was: nothing lost or doubled, and no slower than undisturbed runs differ."""
    drills = list(kept(ROOT / "docs" / "measured"))
    assert {drill.name for drill in drills} >= {"slack-outage", "teams-bug"}
    for drill in drills:
        untouched = [finding for finding in drill.findings if finding.untouched]
        assert untouched
        for finding in untouched:
            assert finding.delivered == finding.sent
            assert (finding.lost, finding.twice) == (0, 0)
            assert finding.pairs >= 200
            assert finding.ratio <= finding.high


def test_a_stale_page_is_refused(
    tmp_path: Path, isolated: Sequence[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` says what to do and where the page differs, and leaves it alone."""

    def measured(*, sharing: Sequence[Sharing] = (Sharing.NOTHING,), **_: Any) -> Sequence[Row]:
        return [replace(row, sharing=each) for each in sharing for row in isolated]

    monkeypatch.setattr(command, "measure", measured)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "blast-radius.md"
    assert command.main(["--check"], tmp_path) == 1
    assert command.main([], tmp_path) == 0
    assert command.main(["--check"], tmp_path) == 0
    page.write_text(page.read_text().replace("| teams | down |", "| teams | up |"))
    capsys.readouterr()
    assert command.main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert "run ./dev blast_radius" in said
    assert "-| teams | up |" in said
    assert "| teams | up |" in page.read_text()
    (tmp_path / "report.json").write_text(json.dumps(report()))
    assert command.main(["--measured", str(tmp_path / "report.json")], tmp_path) == 0
    assert "4 times slack down" in page.read_text()
