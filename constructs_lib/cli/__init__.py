"""The `resilience` command: run a CDK app on this machine, break it, and look after it wherever it runs.

Each group of commands is a module of this package that offers `add(subjects)`, and stands in `_GROUPS`.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType

from constructs_lib.cli import breaker, dead_letters, drill, fault, local, quarantine
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.operations.errors import OperationError

_GROUPS = (breaker, dead_letters, drill, fault, local, quarantine)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; *arguments* default to those of the process. Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Asked to end from outside is as good as Ctrl-C: everything started is stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # A command that has something to tell by its status returns it.
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        return 130
    except (LocalCloudError, OperationError) as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        print("This command needs boto3; install constructs-lib[local].", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="resilience", description=description)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('constructs-lib')}")
    subjects = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(subjects)
    return parser


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
