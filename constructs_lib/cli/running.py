"""What commands about a local cloud that already runs have in common."""

import argparse
from typing import TypeAlias

from constructs_lib.local import running
from constructs_lib.local.faults.client import FaultsClient

# Generic for type checkers only.
Subjects: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a group of commands is added to."""


def add_port(command: argparse.ArgumentParser) -> None:
    """Give *command* the option that says which local cloud is meant."""
    command.add_argument("--port", type=int, default=4566, help="port of the local cloud; default: %(default)s")


def find(options: argparse.Namespace) -> running.Running:
    """The local cloud on the port of *options*.

    Raises:
        LocalCloudError: If none runs there.
    """
    return running.find(running.default_work_directory(options.port))


def control(options: argparse.Namespace) -> FaultsClient:
    """The control API of the local cloud on the port of *options*.

    Raises:
        LocalCloudError: If none runs there.
    """
    return FaultsClient(find(options).endpoint_url)


def say(text: str) -> None:
    """One line of progress."""
    print(f"· {text}", flush=True)
