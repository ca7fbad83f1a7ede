"""The tests and the requirements they mark, as pytest itself collects them."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.coverage.rows import CoverageError


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One test that says it proves one requirement."""

    requirement: str
    test: str


def collect(folder: Path) -> frozenset[Mark]:
    """The marks of all tests under *folder*, those for the local cloud included; runs none of them.

    Raises:
        CoverageError: If a file cannot be collected or a mark names no requirement.
    """
    collector = _Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        # An empty -m takes back any selection that the configuration makes. Snapshots that no test looked at are no
        # failure here, where no test runs.
        status = pytest.main(["--collect-only", "-q", "-m", "", "-p", "no:syrupy", str(folder)], plugins=[collector])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise CoverageError(f"pytest could not collect the tests in {folder.name}; it says:\n{said.getvalue().strip()}")
    return frozenset(mark for item in collector.items for mark in _marks(item))


class _Collector:
    """A pytest plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def _marks(item: pytest.Item) -> Iterator[Mark]:
    # A test that is never run, or is expected to fail, proves nothing.
    proves = not (item.get_closest_marker("skip") or item.get_closest_marker("xfail"))
    test = item.nodeid.partition("[")[0]
    for marker in item.iter_markers("requirement"):
        if not marker.args or not all(isinstance(id_, str) for id_ in marker.args):
            raise CoverageError(f'{test} has a mark without ids; write @pytest.mark.requirement("ISO-05").')
        if proves:
            yield from (Mark(id_, test) for id_ in marker.args)
