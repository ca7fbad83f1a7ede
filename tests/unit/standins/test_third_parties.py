"""The stand-ins carry out what the local cloud calls a fault of a third party."""

from typing import get_args

import pytest

from constructs_lib.local.faults.model import ThirdParty, ThirdPartyMode
from tests.standins import StandIns
from tests.standins.faults import Fault
from tests.standins.third_parties import MODES, StandInFaults


@pytest.fixture
def faults(standins: StandIns) -> StandInFaults:
    return StandInFaults(standins)


def test_every_mode_is_one_of_theirs() -> None:
    """None is left that only the local cloud knows."""
    assert set(MODES) == set(get_args(ThirdPartyMode))


def test_a_fault_begins_and_ends_at_its_provider_only(standins: StandIns, faults: StandInFaults) -> None:
    """With what it says of times."""
    faults.apply({"a": ThirdParty(where="slack", mode="slow", by=1.5, retry_after=7.0)})
    assert standins.faults.of("slack") == Fault(mode="slow", milliseconds=1_500, retry_after=7)
    assert standins.faults.of("teams") == Fault()

    faults.apply({"b": ThirdParty(where="teams", mode="hanging")})
    assert (standins.faults.of("slack").mode, standins.faults.of("teams").mode) == ("up", "hang")


def test_the_first_of_two_faults_happens_until_it_ends(standins: StandIns, faults: StandInFaults) -> None:
    """Then the second."""
    down, slow = ThirdParty(where="slack", mode="down"), ThirdParty(where="slack", mode="slow")
    faults.apply({"a": down, "b": slow})
    assert standins.faults.of("slack").mode == "down"

    faults.apply({"b": slow})
    assert standins.faults.of("slack").mode == "slow"


def test_what_was_chosen_on_the_page_stays_when_other_faults_change(standins: StandIns, faults: StandInFaults) -> None:
    """Two hands may break the same system."""
    standins.fault("teams", "garbled")

    faults.apply({"a": ThirdParty(where="slack", mode="down")})
    faults.apply({})

    assert standins.faults.of("teams").mode == "garbled"

    faults.apply({"a": ThirdParty(where="slack", mode="down")})
    standins.fault("slack", "up")
    faults.apply({"a": ThirdParty(where="slack", mode="down"), "b": ThirdParty(where="teams", mode="slow")})

    assert standins.faults.of("slack").mode == "up"


def test_who_is_not_here_is_said_with_those_who_are(faults: StandInFaults) -> None:
    """For the message of whoever asks."""
    assert faults.objection(ThirdParty(where="slack", mode="down")) is None
    assert faults.objection(ThirdParty(where="pager", mode="down")) == "stand-ins are slack, teams, slack/<workspace>"
