"""Drills of the alerting system, by name: `python -m tests.e2e.drills slack-outage`. Else as `resilience drill`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from constructs_lib import cli
from constructs_lib.local.drill import command as drill_command

PLANS = Path(__file__).parent
REPORTS = PLANS.parents[2] / ".dev" / "drills"


def main(arguments: Sequence[str]) -> int:
    """Run one drill. Exit status 0: every promise held."""
    plans = {path.stem: drill_command.load(path) for path in sorted(PLANS.glob("*.toml"))}
    parser = argparse.ArgumentParser(
        prog="./dev drill",
        description="Break the running alerting system on purpose and judge what happened.",
        epilog="\n".join(f"  {name:<15} {plan.summary}" for name, plan in plans.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", metavar="PLAN", choices=plans, help=f"one of {', '.join(plans)}")
    parser.add_argument("--reports", default=str(REPORTS), help="folder for reports; default: %(default)s")
    options = parser.parse_args(arguments)
    return cli.main(["drill", str(PLANS / f"{options.plan}.toml"), "--reports", options.reports])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
