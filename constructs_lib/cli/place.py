"""What commands about a dependency have in common, wherever it runs: on AWS, or in a local cloud."""

import argparse
import functools
from collections.abc import Callable

from constructs_lib.operations.errors import explained
from constructs_lib.operations.place import Place, in_local_cloud, on_aws

_LOCAL_PORT = 4566

Run = Callable[[argparse.Namespace], int | None]


def add_place(command: argparse.ArgumentParser, *, names_dependency: bool = True) -> None:
    """Give *command* the options that say where, and, unless it has an argument for it, which dependency."""
    where = command.add_argument_group("where")
    if names_dependency:
        where.add_argument("--dependency", metavar="NAME", help="as its construct is called")
    where.add_argument("--stack", metavar="NAME", help="CloudFormation stack it is in; default: any")
    where.add_argument("--region", help="default: that of your AWS settings; in a local cloud, every region")
    where.add_argument("--local", action="store_true", help="in the local cloud, instead of on AWS")
    where.add_argument(
        "--port", type=int, metavar="PORT", help=f"in the local cloud on that port; default: {_LOCAL_PORT}"
    )


def place_of(options: argparse.Namespace) -> Place:
    """The place that *options* name.

    Raises:
        OperationError: If no region is known.
        LocalCloudError: If no local cloud runs there.
    """
    if options.port is not None:
        return in_local_cloud(options.port, options.region)
    return in_local_cloud(_LOCAL_PORT, options.region) if options.local else on_aws(options.region)


def explaining(run: Run) -> Run:
    """Let *run* end with a sentence instead of a stack trace when AWS says no."""

    @functools.wraps(run)
    def wrapped(options: argparse.Namespace) -> int | None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 comes with an extra

        try:
            return run(options)
        except (BotoCoreError, ClientError) as error:
            raise explained(error) from error

    return wrapped
