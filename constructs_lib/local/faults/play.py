"""Carrying a plan's schedule out on a local cloud that runs already."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

from constructs_lib.local.clock import Clock, SystemClock
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.notation import in_words
from constructs_lib.local.faults.plan import PlannedFault, schedule


class Control(Protocol):
    """What begins and ends faults; `FaultsClient` is one."""

    def check(self, fault: Fault) -> None:
        """Do nothing if *fault* could begin; else raise `LocalCloudError`."""

    def start(self, fault: Fault) -> str:
        """Begin *fault*; gives the id by which it ends."""

    def stop(self, fault_id: str) -> None:
        """End the fault of that id; raise `LocalCloudError` if there is none."""


def play(
    plan: Sequence[PlannedFault],
    control: Control,
    *,
    clock: Clock | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Begin and end the faults of *plan* when they are due; whatever happens, none that it began is left behind.

    Args:
        plan: The faults, and when.
        control: Begins and ends them.
        clock: Default: the machine's.
        progress: Called with a short line for each step. Default: nobody is told.

    Raises:
        LocalCloudError: One of the faults cannot happen there, and none has begun then; or the local cloud has ended.
    """
    clock = clock or SystemClock()
    for planned in plan:
        control.check(planned.fault)
    begun = clock.now()
    running: defaultdict[Fault, list[str]] = defaultdict(list)

    def say(what: str) -> None:
        progress(f"{clock.now() - begun:6.1f} s  {what}")

    def end(fault: Fault, how: str) -> None:
        fault_id = running[fault].pop(0)
        try:
            control.stop(fault_id)
        except LocalCloudError as error:
            # Somebody else has ended it, or the local cloud: the plan goes on, or comes to its own end.
            say(f"{in_words(fault)} was not ended: {error}")
        else:
            say(f"{in_words(fault)} {how}")

    try:
        for step in schedule(plan):
            clock.wait_until(begun + step.at)
            if step.action == "start":
                running[step.fault].append(control.start(step.fault))
                say(f"{in_words(step.fault)} begins")
            else:
                end(step.fault, "ends")
    finally:
        for fault, left in running.items():
            while left:
                end(fault, "ends before its time")
