"""Drills of the alerting system, by name: `python -m tests.e2e.drills slack-outage`. Else as `resilience drill`.

`matrix` is all of the blast radius, a drill for every fault with every provider.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from constructs_lib import cli
from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.errors import LocalCloudError
from tests.e2e.drills import matrix

PLANS = Path(__file__).parent
REPORTS = PLANS.parents[2] / ".dev" / "drills"


def main(arguments: Sequence[str]) -> int:
    """Run one drill, or the matrix. Exit status 0: every promise held."""
    plans = {path.stem: drill_command.load(path) for path in sorted(PLANS.glob("*.toml"))}
    cells = {cell.name: cell for cell in matrix.cells()}
    minutes = sum(cell.plan().load.lasts for cell in cells.values()) / 60
    told = {name: plan.summary for name, plan in plans.items()} | {
        "matrix": f"Every fault with every provider, {len(cells)} drills in about {minutes:.0f} minutes; see --only."
    }
    parser = argparse.ArgumentParser(
        prog="./dev drill",
        description="Break the running alerting system on purpose and judge what happened.",
        epilog="\n".join(f"  {name:<16} {summary}" for name, summary in told.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", metavar="PLAN", choices=told, help=f"one of {', '.join(told)}")
    parser.add_argument("--reports", default=str(REPORTS), help="folder for reports; default: %(default)s")
    parser.add_argument(
        "--only", metavar="CELL", nargs="+", choices=cells, help=f"of the matrix; any of {', '.join(cells)}"
    )
    options = parser.parse_args(arguments)
    if options.plan == "matrix":
        return run_matrix([cells[name] for name in options.only or cells], Path(options.reports))
    if options.only:
        parser.error("--only chooses from the matrix; a drill runs whole")
    return cli.main(["drill", str(PLANS / f"{options.plan}.toml"), "--reports", options.reports])


def run_matrix(wanted: Sequence[matrix.Cell], reports: Path) -> int:
    """Run these cells, and say of each whether its promises held."""
    try:
        done = matrix.run(wanted, reports=reports, run_id=f"{time.time_ns():x}", progress=print)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 2
    for report in done:
        print(report.text())
    print(f"Reports are in {reports}; ./dev blast_radius --measured REPORT.json ... puts them on the page.")
    return 0 if all(report.held for report in done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
