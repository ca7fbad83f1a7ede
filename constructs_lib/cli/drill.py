"""`resilience drill`: break an app on purpose, under load, and judge what happened."""

import argparse
import sys
from pathlib import Path

from constructs_lib.cli.running import Subjects, say
from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.errors import LocalCloudError

BROKEN = 1
"""Exit status when a promise was broken."""
NOT_RUN = 2
"""Exit status when the drill could not be carried out."""


def add(subjects: Subjects) -> None:
    """Add the command of this group."""
    drill = subjects.add_parser(
        "drill",
        help="run a plan of load and faults, and judge what happened",
        description="Start the app that the plan names, send it load, break it as planned, and write a report. "
        f"Exit status: 0 if every promise held, {BROKEN} if one was broken, {NOT_RUN} if it could not be carried out.",
    )
    drill.add_argument("plan", metavar="PLAN", type=Path, help="the plan, a TOML file")
    drill.add_argument(
        "--reports",
        metavar="DIR",
        type=Path,
        default=Path("drill-reports"),
        help="folder for PLAN.txt and PLAN.json; default: %(default)s",
    )
    drill.set_defaults(run=_drill)


def _drill(options: argparse.Namespace) -> int:
    try:
        report = drill_command.drill(options.plan, reports=options.reports, progress=say)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return NOT_RUN
    print(f"\n{report.text()}\nReports: {options.reports / options.plan.stem}.txt and .json")
    return 0 if report.held else BROKEN
