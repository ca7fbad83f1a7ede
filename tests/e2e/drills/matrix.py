"""Every fault of the blast radius with every provider, on the running alerting system: `./dev drill matrix`.

In each cell two faults stand between undisturbed times, long enough for as many messages of each kind as a comparison
needs. All cells of a kind of subject share one start of the system.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from constructs_lib.local.drill.command import save
from constructs_lib.local.drill.plan import DrillPlan, Load, Promises
from constructs_lib.local.drill.report import Report
from constructs_lib.local.drill.run import Drill
from constructs_lib.local.drill.subject import Subject
from constructs_lib.local.faults.model import Fault, FunctionFault, PoisonRecord, ThirdParty
from constructs_lib.local.faults.plan import PlannedFault
from tests.e2e.drills.subject import alerting, with_a_neighbour

EVERY_SECONDS: Final = 0.4
PAIRS: Final = 210
_TIMES: Final = 2
_PATIENCE_SECONDS: Final = 90.0
# What is left over is delivered within a few probes; parked tenants have their turn once a minute.
_SETTLE_SECONDS: Final = 15.0
_PARKED_SETTLE_SECONDS: Final = 75.0
# A poison record hurts while it is attempted: one after the other keeps something wrong all the time.
_POISON_EVERY_SECONDS: Final = 8.0

NOTIFIERS: Final = {"slack": "NotifySlack", "teams": "NotifyTeams"}
# At Slack there is a neighbour who goes on; at Teams there is one tenant only.
TENANTS: Final = {"slack": "slack/initech", "teams": "teams"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault with one provider.

    Attributes:
        provider: Who is struck.
        fault: What it is called on the page.
        what: What is done.
        poison: Whether single records are at fault.
        tenant: Whether one tenant only is struck.
        may_repeat: Whether a message of the struck provider may come twice: where a function ends in the middle.
    """

    provider: str
    fault: str
    what: Fault
    poison: bool = False
    tenant: bool = False
    may_repeat: bool = False

    @property
    def name(self) -> str:
        """What the cell is called: `slack-down`."""
        return f"{self.provider}-{self.fault}"

    @property
    def neighbour(self) -> bool:
        """Whether a second tenant of the same provider must be there to look at."""
        return self.tenant and self.provider == "slack"

    def untouched(self) -> tuple[str, ...]:
        """Who has to notice nothing."""
        others = tuple(provider for provider in NOTIFIERS if provider != self.provider)
        return (*others, self.provider) if self.neighbour else others

    def plan(self) -> DrillPlan:
        """The cell as a drill."""
        disturbed = PAIRS * EVERY_SECONDS / _TIMES
        undisturbed = PAIRS * EVERY_SECONDS / (_TIMES + 1)
        settle = _PARKED_SETTLE_SECONDS if self.tenant else _SETTLE_SECONDS
        period = undisturbed + disturbed + settle
        begins = [undisturbed + number * period for number in range(_TIMES)]
        return DrillPlan(
            name=self.name,
            subject=f"tests.e2e.drills.subject:{'with_a_neighbour' if self.neighbour else 'alerting'}",
            summary=f"{self.provider}: {self.fault}, {_TIMES} times; nobody else notices.",
            load=Load(
                every=EVERY_SECONDS,
                lasts=_TIMES * period + undisturbed,
                settle=settle,
                patience=_PATIENCE_SECONDS,
                # Who is struck is not compared; a machine at its limit would compare how two share a processor.
                sparse=(TENANTS[self.provider] if self.tenant else self.provider,),
            ),
            faults=tuple(self._faults(begins, disturbed)),
            promises=Promises(
                lost=0,
                duplicated=None if self.may_repeat else 0,
                refused=0,
                delivers_during=self.untouched(),
                untouched=self.untouched(),
                pairs=200,
            ),
        )

    def _faults(self, begins: Sequence[float], lasts: float) -> Iterator[PlannedFault]:
        for begin in begins:
            if self.poison:
                times = int(lasts // _POISON_EVERY_SECONDS)
                every = lasts / times
                yield PlannedFault(fault=self.what, at=begin, lasts=every, every=every, times=times)
            else:
                yield PlannedFault(fault=self.what, at=begin, lasts=lasts)


def cells() -> tuple[Cell, ...]:
    """All of them, those that share a subject beside each other."""
    return tuple(sorted((cell for provider in NOTIFIERS for cell in _of(provider)), key=lambda cell: cell.neighbour))


def _of(provider: str) -> Iterator[Cell]:
    function = NOTIFIERS[provider]
    yield Cell(provider=provider, fault="down", what=ThirdParty(where=provider, mode="down"))
    yield Cell(provider=provider, fault="slow", what=ThirdParty(where=provider, mode="slow", by=3))
    yield Cell(provider=provider, fault="hanging", what=ThirdParty(where=provider, mode="hanging"))
    yield Cell(provider=provider, fault="garbled", what=ThirdParty(where=provider, mode="garbled"))
    yield Cell(provider=provider, fault="handler-bug", what=FunctionFault(function=function, mode="raises"))
    yield Cell(provider=provider, fault="poison", what=PoisonRecord(where=provider), poison=True)
    yield Cell(provider=provider, fault="crash", what=FunctionFault(function=function, mode="crash"), may_repeat=True)
    throttled = ThirdParty(where=TENANTS[provider], mode="throttled", retry_after=5)
    yield Cell(provider=provider, fault="tenant-429", what=throttled, tenant=True)


Factory = Callable[[Callable[[str], None]], AbstractContextManager[Subject]]


def run(wanted: Sequence[Cell], *, reports: Path, run_id: str, progress: Callable[[str], None]) -> list[Report]:
    """Run the cells; each report is written as soon as it is there.

    Raises:
        LocalCloudError: The system does not start, or cannot have one of the faults.
    """
    done = []
    for neighbour, some in groupby(sorted(wanted, key=lambda cell: cell.neighbour), key=lambda cell: cell.neighbour):
        factory: Factory = with_a_neighbour if neighbour else alerting
        with factory(progress) as subject:
            for cell in some:
                report = Drill(cell.plan(), subject, run_id=f"{run_id}-{cell.name}", progress=progress).run()
                save(report, reports)
                done.append(report)
    return done
