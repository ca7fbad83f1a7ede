"""A plan on a running local cloud under virtual time: each fault when it is due, and none left behind."""

import pytest

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.notation import in_words
from constructs_lib.local.faults.plan import read_faults
from constructs_lib.local.faults.play import play

PLAN = read_faults(
    """
    [[fault]]
    kind = "third-party"
    where = "slack"
    mode = "down"
    at = "10s"
    for = "5s"
    every = "10s"
    times = 2
    [[fault]]
    kind = "region"
    region = "eu-west-1"
    at = "12s"
    for = "1m"
    """,
    name="plan",
)


class VirtualClock:
    """Time that passes only by waiting for it, and may be interrupted."""

    def __init__(self, ends: float = 1e9) -> None:
        self.time, self.ends = 1_000.0, 1_000.0 + ends

    def now(self) -> float:
        return self.time

    def wait_until(self, moment: float) -> None:
        if moment > self.ends:
            self.time = self.ends
            raise KeyboardInterrupt
        self.time = max(self.time, moment)


class Cloud:
    """Notes what is asked of it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.history: list[tuple[float, str]] = []
        self.faults: dict[str, Fault] = {}
        self.lacks = ""

    def check(self, fault: Fault) -> None:
        if self.lacks and self.lacks in in_words(fault):
            raise LocalCloudError(f"There is no {self.lacks}.")

    def start(self, fault: Fault) -> str:
        fault_id = f"fault-{len(self.history)}"
        self.faults[fault_id] = fault
        self.history.append((self.clock.now() - 1_000.0, f"begin {in_words(fault)}"))
        return fault_id

    def stop(self, fault_id: str) -> None:
        if fault_id not in self.faults:
            raise LocalCloudError(f"There is no fault {fault_id}.")
        self.history.append((self.clock.now() - 1_000.0, f"end {in_words(self.faults.pop(fault_id))}"))


def test_faults_come_and_go_when_they_are_due() -> None:
    """Also at the same time, and again."""
    clock = VirtualClock()
    cloud = Cloud(clock)
    said: list[str] = []

    play(PLAN, cloud, clock=clock, progress=said.append)

    assert cloud.history == [
        (10.0, "begin third-party slack down"),
        (12.0, "begin region eu-west-1 lost"),
        (15.0, "end third-party slack down"),
        (20.0, "begin third-party slack down"),
        (25.0, "end third-party slack down"),
        (72.0, "end region eu-west-1 lost"),
    ]
    assert said[:3] == [
        "  10.0 s  third-party slack down begins",
        "  12.0 s  region eu-west-1 lost begins",
        "  15.0 s  third-party slack down ends",
    ]


def test_an_interrupted_plan_leaves_nothing_broken() -> None:
    """Ctrl-C ends what it has begun."""
    clock = VirtualClock(ends=21.0)
    cloud = Cloud(clock)

    with pytest.raises(KeyboardInterrupt):
        play(PLAN, cloud, clock=clock)

    assert cloud.faults == {}
    assert cloud.history[-2:] == [(21.0, "end third-party slack down"), (21.0, "end region eu-west-1 lost")]


def test_a_plan_that_cannot_happen_there_begins_nothing() -> None:
    """Its last fault is looked at before its first begins."""
    clock = VirtualClock()
    cloud = Cloud(clock)
    cloud.lacks = "eu-west-1"

    with pytest.raises(LocalCloudError, match="There is no eu-west-1"):
        play(PLAN, cloud, clock=clock)

    assert cloud.history == []
    assert clock.now() == 1_000.0


def test_a_fault_that_somebody_else_has_ended_holds_nothing_up() -> None:
    """It is said, and the plan goes on."""
    clock = VirtualClock()
    cloud = Cloud(clock)
    said: list[str] = []

    def meddle(line: str) -> None:
        said.append(line)
        if "eu-west-1 lost begins" in line:
            cloud.faults.clear()

    play(PLAN, cloud, clock=clock, progress=meddle)

    assert "  15.0 s  third-party slack down was not ended: There is no fault fault-0." in said
    assert (25.0, "end third-party slack down") in cloud.history
