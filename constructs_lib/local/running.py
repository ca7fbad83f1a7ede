"""What a running local cloud leaves in its work directory for commands that look at it from outside."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from constructs_lib.local.environments import cache_directory
from constructs_lib.local.errors import LocalCloudError


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How to reach a local cloud.

    Attributes:
        endpoint_url: Where every AWS service answers.
        account: The account it serves; its id is the access key id too.
        regions: The regions that hold a stack.
    """

    endpoint_url: str
    account: str
    regions: tuple[str, ...]


def default_work_directory(port: int) -> Path:
    """Where the local cloud on *port* keeps its state unless told otherwise."""
    return cache_directory() / "clouds" / str(port)


def announce(work_directory: Path, running: Running) -> None:
    """Leave word that the local cloud of *work_directory* runs."""
    _file(work_directory).write_text(json.dumps(asdict(running)))


def withdraw(work_directory: Path) -> None:
    """Leave word that it does not run any more."""
    _file(work_directory).unlink(missing_ok=True)


def find(work_directory: Path) -> Running:
    """How to reach the local cloud of *work_directory*.

    Raises:
        LocalCloudError: If none runs there.
    """
    try:
        content = json.loads(_file(work_directory).read_text())
    except FileNotFoundError as error:
        raise LocalCloudError(
            f"No local cloud runs in {work_directory}; start one with `resilience local up`, "
            "or name the port of the one that runs with --port."
        ) from error
    return Running(**content | {"regions": tuple(content["regions"])})


def save_report(work_directory: Path, lines: Iterable[str]) -> None:
    """Keep the report of the app that is about to run."""
    _report_file(work_directory).write_text("".join(f"{line}\n" for line in lines))


def report(work_directory: Path) -> str:
    """The report of the app that runs, or ran last, in *work_directory*.

    Raises:
        LocalCloudError: If none ran there yet.
    """
    try:
        return _report_file(work_directory).read_text()
    except FileNotFoundError as error:
        raise LocalCloudError(
            f"No app has run in {work_directory} yet; start one with `resilience local up`."
        ) from error


def _file(work_directory: Path) -> Path:
    return work_directory / "cloud.json"


def _report_file(work_directory: Path) -> Path:
    return work_directory / "report.txt"
