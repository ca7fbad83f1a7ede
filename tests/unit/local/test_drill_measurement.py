"""The books of a drill: every accepted event is delivered, recoverable or lost, and times are what they were."""

from dataclasses import replace

import pytest

from constructs_lib.local.drill.measurement import Evidence, Latency, Sent, Window, measure, phase
from constructs_lib.local.drill.subject import Arrival, Sample, Signal

DOWN = Window(fault="third-party slack down", begin=100.0, end=200.0)


def sent(name: str, at: float, *, dependency: str = "slack", region: str = "us-east-1", accepted: bool = True) -> Sent:
    """One event on its way."""
    return Sent(sample=Sample(id=name, dependency=dependency, region=region), at=at, accepted=accepted)


EVIDENCE = Evidence(
    sent=[sent("a", 50.0), sent("b", 110.0), sent("c", 205.0)],
    arrivals=[
        Arrival(sample_id="a", at=51.0),
        Arrival(sample_id="b", at=207.0),
        Arrival(sample_id="c", at=208.0),
    ],
    recoverable={},
    windows=[DOWN],
    signals=[Signal(at=99.0, what="early"), Signal(at=112.0, what="held"), Signal(at=120.0, what="red")],
    settle=20.0,
)


def test_what_is_accepted_is_delivered_recoverable_or_lost() -> None:
    """A refused event is none of these: its sender knows."""
    evidence = replace(
        EVIDENCE,
        sent=[*EVIDENCE.sent, *(sent(name, 60.0) for name in "wxyz"), sent("r", 60.0, accepted=False)],
        recoverable={"w": "waiting", "x": "held", "y": "quarantined"},
    )
    books = measure(evidence).books["slack"]
    assert (books.sent, books.accepted, books.refused, books.delivered) == (8, 7, 1, 3)
    assert books.recoverable == {"waiting": 1, "held": 1, "quarantined": 1}
    assert books.lost == ("z",)
    assert measure(evidence).total == books


def test_what_arrives_twice_is_a_duplicate_and_counts_once_as_delivered() -> None:
    """Also when its sender was told that it was not accepted."""
    again = [*EVIDENCE.arrivals, Arrival(sample_id="a", at=90.0), *[Arrival(sample_id="r", at=9.0)] * 2]
    books = measure(replace(EVIDENCE, sent=[*EVIDENCE.sent, sent("r", 1.0, accepted=False)], arrivals=again)).total
    assert (books.delivered, books.duplicated) == (3, ("a", "r"))


@pytest.mark.parametrize(
    ("at", "expected"),
    [(99.9, "before"), (100.0, "during"), (199.9, "during"), (200.0, "after"), (219.9, "after"), (220.0, "before")],
)
def test_a_moment_is_before_during_or_in_the_aftermath_of_a_fault(at: float, expected: str) -> None:
    """When the aftermath is over, things are undisturbed again."""
    assert phase(at, [DOWN], 20.0) == expected


def test_a_moment_in_a_fault_and_the_aftermath_of_another_is_disturbed() -> None:
    """The fault counts."""
    other = Window(fault="x", begin=205.0, end=215.0)
    assert phase(210.0, [DOWN, other], 20.0) == "during"
    assert phase(210.0, [other, DOWN], 20.0) == "during"


def test_latency_is_told_by_dependency_region_and_phase_of_sending() -> None:
    """From sending to the first arrival."""
    evidence = replace(
        EVIDENCE,
        sent=[*EVIDENCE.sent, sent("d", 111.0, dependency="teams", region="eu-west-1")],
        arrivals=[*EVIDENCE.arrivals, Arrival(sample_id="d", at=113.0), Arrival(sample_id="d", at=112.0)],
    )
    assert measure(evidence).latencies == {
        ("slack", "us-east-1", "before"): Latency(number=1, p50=1.0, p90=1.0, p99=1.0, longest=1.0),
        ("slack", "us-east-1", "during"): Latency(number=1, p50=97.0, p90=97.0, p99=97.0, longest=97.0),
        ("slack", "us-east-1", "after"): Latency(number=1, p50=3.0, p90=3.0, p99=3.0, longest=3.0),
        ("teams", "eu-west-1", "during"): Latency(number=1, p50=1.0, p90=1.0, p99=1.0, longest=1.0),
    }


def test_undisturbed_samples_are_compared_with_those_of_the_fault() -> None:
    """In the order of sending, the aftermath left out."""
    evidence = replace(
        EVIDENCE,
        sent=[sent(str(at), at) for at in (10.0, 20.0, 30.0, 110.0, 120.0, 205.0)],
        arrivals=[
            Arrival(sample_id=str(at), at=at + wait)
            for at, wait in ((10.0, 1.0), (20.0, 2.0), (30.0, 2.0), (110.0, 3.0), (120.0, 4.0), (205.0, 50.0))
        ],
    )
    found = measure(evidence).comparisons["slack"]
    assert (found.pairs, found.undisturbed_p99, found.during_p99, found.ratio) == (2, 2.0, 4.0, 2.0)


def test_a_fault_is_detected_by_the_first_signal_since_it_began() -> None:
    """What was signalled before is not about it."""
    (course,) = measure(EVIDENCE).courses
    assert course.signal == Signal(at=112.0, what="held")
    assert course.detected_after == 12.0
    (unnoticed,) = measure(
        replace(EVIDENCE, signals=[Signal(at=99.0, what="early"), Signal(at=220.0, what="late")])
    ).courses
    assert (unnoticed.signal, unnoticed.detected_after) == (None, None)


def test_recovery_lasts_until_the_backlog_is_delivered_and_new_events_arrive() -> None:
    """Here the new one arrives last."""
    (course,) = measure(EVIDENCE).courses
    assert course.recovered_after == 8.0


@pytest.mark.parametrize("missing", ["b", "c"])
def test_what_still_waits_has_not_recovered(missing: str) -> None:
    """Neither while the backlog is not delivered, nor while nothing new arrives."""
    arrivals = [arrival for arrival in EVIDENCE.arrivals if arrival.sample_id != missing]
    for evidence in (EVIDENCE, replace(EVIDENCE, recoverable={missing: "waiting"})):
        (course,) = measure(replace(evidence, arrivals=arrivals)).courses
        assert course.recovered_after is None


def test_what_is_in_quarantine_does_not_hold_recovery_up() -> None:
    """It waits for a person."""
    arrivals = [arrival for arrival in EVIDENCE.arrivals if arrival.sample_id != "b"]
    (course,) = measure(replace(EVIDENCE, arrivals=arrivals, recoverable={"b": "quarantined"})).courses
    assert course.recovered_after == 8.0


def test_delivery_during_a_fault_is_judged_by_what_was_sent_early_in_it() -> None:
    """What was sent late in it may arrive after it without fault."""
    sents = [sent(name, at, dependency="teams") for name, at in (("e", 110.0), ("f", 140.0), ("g", 199.0))]
    arrivals = [Arrival(sample_id="e", at=111.0), Arrival(sample_id="f", at=201.0), Arrival(sample_id="g", at=201.0)]
    (course,) = measure(replace(EVIDENCE, sent=sents, arrivals=arrivals)).courses
    assert course.delivered_during == {"teams": (1, 2)}
