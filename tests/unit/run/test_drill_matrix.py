"""The measured blast radius: every cell is a drill that can tell what it is meant to tell."""

import pytest

from constructs_lib.local.drill.measurement import Window, phase
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.plan import schedule
from tests.blast_radius.faults import Fault as ModelFault
from tests.e2e.drills.matrix import NOTIFIERS, Cell, cells


def test_every_fault_of_the_model_is_measured_with_every_provider() -> None:
    assert len({cell.name for cell in cells()}) == len(cells()) == len(NOTIFIERS) * len(ModelFault)


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_there_are_as_many_samples_as_a_comparison_needs(cell: Cell) -> None:
    """Of both kinds: while something is wrong, and while nothing is."""
    plan = cell.plan()
    windows = [Window(fault="", begin=begin, end=end) for planned in plan.faults for begin, end in planned.windows()]
    sent = [number * plan.load.every for number in range(int(plan.load.lasts / plan.load.every))]
    phases = [phase(at, windows, plan.load.settle) for at in sent]
    assert min(phases.count("before"), phases.count("during")) >= plan.promises.pairs
    assert max(window.end for window in windows) + plan.load.settle < plan.load.lasts


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_a_fault_ends_before_it_begins_anew(cell: Cell) -> None:
    """Where one follows the other at once, too."""
    under_way: set[Fault] = set()
    for step in schedule(cell.plan().faults):
        assert (step.fault in under_way) is (step.action == "stop")
        under_way ^= {step.fault}


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_somebody_has_to_notice_nothing_and_it_is_not_who_is_struck(cell: Cell) -> None:
    assert cell.untouched()
    assert cell.provider not in cell.untouched() or cell.neighbour
