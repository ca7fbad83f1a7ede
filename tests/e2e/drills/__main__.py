"""Drills of the alerting system: `python -m tests.e2e.drills slack-outage`. Exit status 0: every promise held."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.drill.plan import DrillPlan
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.plan_kinds import Partition, RegionLoss
from tests.e2e.drills.ports import RegionPorts
from tests.standins.server import PortTakenError

PLANS = Path(__file__).parent
REPORTS = PLANS.parents[2] / ".dev" / "drills"


def main(arguments: Sequence[str]) -> int:
    """Run one drill, write its report, and print it."""
    plans = {path.stem: drill_command.load(path) for path in sorted(PLANS.glob("*.toml"))}
    options = parse(arguments, plans)
    signal.signal(signal.SIGTERM, interrupt)
    if needs_regions_apart(plans[options.plan]):
        print(f"{options.plan} cannot run yet: it takes a local cloud with a process per region.", file=sys.stderr)
        return 2
    try:
        report = drill_command.drill(PLANS / f"{options.plan}.toml", reports=options.reports, progress=say)
    except KeyboardInterrupt:
        return 130
    except (LocalCloudError, PortTakenError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{report.text()}\nReports: {options.reports}/{options.plan}.txt and .json")
    return 0 if report.held else 1


def parse(arguments: Sequence[str], plans: dict[str, DrillPlan]) -> argparse.Namespace:
    """The options."""
    runnable = {name: plan for name, plan in plans.items() if not needs_regions_apart(plan)}
    parser = argparse.ArgumentParser(
        prog="./dev drill",
        description=__doc__,
        epilog="\n".join(f"  {name:<15} {plan.summary}" for name, plan in runnable.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", metavar="PLAN", choices=plans, help=f"one of {', '.join(runnable)}")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="folder for reports; default: %(default)s")
    return parser.parse_args(arguments)


def needs_regions_apart(plan: DrillPlan) -> bool:
    """Whether the plan takes more than this local cloud can do."""
    parts = any(isinstance(planned.fault, RegionLoss | Partition) for planned in plan.faults)
    return parts and not issubclass(LocalCloud, RegionPorts)


def say(text: str) -> None:
    """One line of progress."""
    print(f"· {text}", flush=True)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Being asked to end from outside is as good as Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
