"""Drill plans: a load, faults and what must hold, read from TOML.

    subject = "tests.e2e.drills.subject:alerting"
    summary = "Slack is down; Teams does not notice."

    [load]
    every = "500ms"      # one event to each dependency, regions in turn
    for = "4m"
    settle = "15s"       # so long after a fault ends is still not undisturbed
    patience = "60s"     # so long nothing may arrive before what is missing counts as missing
    sparse = ["slack"]   # get one event of four only: where the machine has better to do

    [[fault]]            # see faults.plan
    ...

    [promises]
    lost = 0             # at most
    duplicated = 0       # at most
    refused = 0          # at most
    delivers_during = ["teams"]
    untouched = ["teams"]
    pairs = 200          # samples that a comparison needs at least
    detected_within = "10s"
    recovered_within = "60s"

A promise that a plan does not name is measured, not judged.
"""

from dataclasses import dataclass

from constructs_lib.local.faults.plan import PlannedFault, parse, planned_faults
from constructs_lib.local.faults.plan_reading import PlanTable

_AT_MOST = ("lost", "duplicated", "refused")
_WITHIN = ("detected_within", "recovered_within")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How events come, in seconds.

    Attributes:
        every: From one event to the next, for each dependency.
        lasts: How long events come.
        settle: How long after a fault's end things count as its aftermath.
        patience: How long nothing may arrive, after the last event, before what is missing counts as missing.
        sparse: Dependencies that get one event of four only.
    """

    every: float
    lasts: float
    settle: float
    patience: float
    sparse: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What must hold; None or empty: it is measured, not judged.

    Attributes:
        lost, duplicated, refused: At most so many.
        delivers_during: Dependencies that go on delivering while the fault lasts.
        untouched: Dependencies whose latency is as undisturbed.
        pairs: Samples of each kind that such a comparison needs at least.
        detected_within, recovered_within: Seconds at most.
    """

    lost: int | None = None
    duplicated: int | None = None
    refused: int | None = None
    delivers_during: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    pairs: int = 200
    detected_within: float | None = None
    recovered_within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPlan:
    """A drill.

    Attributes:
        name: What it is called.
        subject: Where the code is that drives the app, as `module:factory`; see `subject`.
        summary: What it shows, in a sentence.
        load: How events come.
        faults: What happens meanwhile.
        promises: What must hold.
    """

    name: str
    subject: str
    summary: str
    load: Load
    faults: tuple[PlannedFault, ...]
    promises: Promises


def read_drill(text: str, *, name: str) -> DrillPlan:
    """The drill that *text* describes.

    Args:
        text: TOML.
        name: What the drill is called.

    Raises:
        LocalCloudError: It cannot be read; the message names the place, what stands there and what is allowed.
    """
    plan = PlanTable(parse(text, name=name), name)
    plan.allow("subject", "summary", "load", "fault", "promises")
    load = plan.table("load")
    load.allow("every", "for", "settle", "patience", "sparse")
    if load.seconds("every") == 0:
        raise load.error("every", load.values["every"], "longer than nothing")
    faults = planned_faults(plan.tables("fault"))
    lasts = load.seconds("for")
    if ends := [end for fault in faults for _, end in fault.windows() if end > lasts]:
        raise load.error("for", load.values["for"], f"at least {max(ends):g}s, when the last fault ends")
    return DrillPlan(
        name=name,
        subject=plan.text("subject"),
        summary=plan.text("summary"),
        load=Load(
            every=load.seconds("every"),
            lasts=lasts,
            settle=load.seconds("settle"),
            patience=load.seconds("patience"),
            sparse=load.texts("sparse"),
        ),
        faults=faults,
        promises=_promises(plan.table("promises")),
    )


def _promises(table: PlanTable) -> Promises:
    table.allow(*_AT_MOST, "delivers_during", "untouched", "pairs", *_WITHIN)
    given = {name: table.count(name, least=0) for name in _AT_MOST if name in table.values}
    within = {name: table.seconds(name) for name in _WITHIN if name in table.values}
    pairs = {"pairs": table.count("pairs")} if "pairs" in table.values else {}
    return Promises(
        lost=given.get("lost"),
        duplicated=given.get("duplicated"),
        refused=given.get("refused"),
        delivers_during=table.texts("delivers_during"),
        untouched=table.texts("untouched"),
        detected_within=within.get("detected_within"),
        recovered_within=within.get("recovered_within"),
        **pairs,
    )
