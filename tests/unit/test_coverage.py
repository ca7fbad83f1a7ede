"""The page of requirements says what the tests prove, and cannot go stale unnoticed."""

import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.coverage import __main__ as command
from tests.coverage.marks import Mark, collect
from tests.coverage.page import proofs, render
from tests.coverage.rows import CoverageError, Requirement, parse

ROWS = """\
["Dependency isolation".ISO-02]
priority = 1
statement = "Slack's outage does not delay Teams."

["Dependency isolation".ISO-05]
priority = 2
statement = "Nothing is lost in an outage."
missing = "outages longer than a day"

[Audit.AUD-05]
priority = 3
statement = "Audit rows are kept."
"""

TESTS = """\
import pytest


@pytest.mark.requirement("ISO-05", "ISO-02")
@pytest.mark.parametrize("hours", [1, 2])
def test_outage(hours): ...


class TestTwo:
    @pytest.mark.local_cloud
    @pytest.mark.requirement("ISO-02")
    def test_both_ways(self): ...


def test_that_proves_no_row(): ...
"""

MARKS = {
    Mark("ISO-05", "tests/b.py::test_z"),
    Mark("ISO-05", "tests/a.py::test_y"),
    Mark("ISO-02", "tests/a.py::test_x"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small project with rows and tests, and no page yet."""
    for folder in ("tests", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nmarkers = ["requirement", "local_cloud"]\naddopts = ["-m", "not local_cloud"]\n'
    )
    (tmp_path / "tests" / "requirements.toml").write_text(ROWS)
    (tmp_path / "tests" / "test_of_coverage_sample.py").write_text(TESTS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Every project has a module of the same name, which the next one must not find loaded.
    with patch.dict(sys.modules):
        yield tmp_path


def rendered(rows: tuple[Requirement, ...] = parse(ROWS), marks: set[Mark] = MARKS) -> str:
    return render(rows, proofs(rows, marks))


def test_page_shows_each_row_with_its_state_and_sorted_tests() -> None:
    """A row is proven, partly proven with what is missing, or open; its tests follow, in the order of their names."""
    assert (
        rendered().partition("## Dependency isolation")[2]
        == """

- **ISO-02** (1, proven) Slack's outage does not delay Teams.
  - [`tests/a.py::test_x`](../tests/a.py)
- **ISO-05** (2, partly) Nothing is lost in an outage.
  - Missing: outages longer than a day
  - [`tests/a.py::test_y`](../tests/a.py)
  - [`tests/b.py::test_z`](../tests/b.py)

## Audit

- **AUD-05** (3, open) Audit rows are kept.
"""
    )


def test_summary_counts_the_states_of_each_area() -> None:
    """The table on top counts proven, partly and open rows per area and in all."""
    page = rendered()
    assert "| [Dependency isolation](#dependency-isolation) | 1 | 1 | 0 |" in page
    assert "| [Audit](#audit) | 0 | 0 | 1 |" in page
    assert "| **All** | 1 | 1 | 1 |" in page


def test_unknown_id_names_test_and_id() -> None:
    """A mark that fits no row is an error that says which test to correct."""
    with pytest.raises(CoverageError, match=r"tests/a\.py::test_x marks ISO-99, which is no row"):
        rendered(marks={Mark("ISO-99", "tests/a.py::test_x")})


def test_missing_remark_without_a_test_is_refused() -> None:
    """A row cannot be partly proven by no test at all."""
    with pytest.raises(CoverageError, match="missing for ISO-05, but no test marks it"):
        rendered(marks=set())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[A.X-1", "not valid TOML"),
        ('[A.X-1]\npriority = 4\nstatement = "S."', "X-1 has priority 4"),
        ("[A.X-1]\npriority = 1", "X-1 has statement"),
        ('[A.X-1]\npriority = 1\nstatement = "Two\\nlines."', "X-1 has statement"),
        (f'[A.X-1]\npriority = 1\nstatement = "{"x" * 141}"', "X-1 has statement"),
        ('[A.X-1]\npriority = 1\nstatement = "S."\nmissing = ""', "X-1 has missing ''"),
        ('[A.X-1]\npriority = 1\nstatement = "S."\nmising = "m"', "X-1 has mising"),
        ('[A.X-1]\npriority = 1\nstatement = "S."\n[B.X-1]\npriority = 1\nstatement = "S."', "has X-1 twice"),
        ('X-1 = "S."', "X-1 is not in an area"),
        ('[A]\nX-1 = "S."', "X-1 is no table"),
    ],
)
def test_wrong_rows_are_refused_by_name(text: str, message: str) -> None:
    """Whatever is wrong with a row, the error names the row and the fault."""
    with pytest.raises(CoverageError, match=message):
        parse(text)


def test_marks_are_collected_once_per_test_whatever_is_deselected(project: Path) -> None:
    """Parameters do not multiply a test, and tests for the local cloud count although they are deselected."""
    file = "tests/test_of_coverage_sample.py"
    assert collect(project / "tests") == {
        Mark("ISO-02", f"{file}::test_outage"),
        Mark("ISO-05", f"{file}::test_outage"),
        Mark("ISO-02", f"{file}::TestTwo::test_both_ways"),
    }


@pytest.mark.parametrize("decorator", ["skip(reason='later')", "xfail(reason='bug')"])
def test_a_test_that_cannot_fail_proves_nothing(project: Path, decorator: str) -> None:
    """Skipped tests and those expected to fail do not count."""
    sample = project / "tests" / "test_of_coverage_sample.py"
    sample.write_text(
        f"import pytest\n\n@pytest.mark.{decorator}\n@pytest.mark.requirement('ISO-02')\ndef test_x(): ...\n"
    )
    assert collect(project / "tests") == frozenset()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module", "(?s)could not collect.*no_such_module"),
        ("import pytest\n\n@pytest.mark.requirement\ndef test_x(): ...\n", "test_x has a mark without ids"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(project: Path, source: str, message: str) -> None:
    """A broken test file fails the command instead of silently taking its tests off the page."""
    (project / "tests" / "test_of_coverage_sample.py").write_text(source)
    with pytest.raises(CoverageError, match=message):
        collect(project / "tests")


def test_check_fails_until_the_page_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check fails on an absent or changed page, shows the difference, writes nothing, and accepts what was written."""
    page = project / "docs" / "requirements.md"
    assert command.main(["--check"], project) == 1
    assert not page.exists()

    assert command.main([], project) == 0
    assert command.main(["--check"], project) == 0

    page.write_text(page.read_text().replace("(1, proven) Slack", "(1, open) Slack"))
    capsys.readouterr()
    assert command.main(["--check"], project) == 1
    said = capsys.readouterr().err
    assert "docs/requirements.md is stale; run ./dev coverage" in said
    assert "+- **ISO-02** (1, proven) Slack's outage does not delay Teams." in said


def test_command_refuses_unknown_ids(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong id stops the command with a sentence and leaves the page as it was."""
    monkeypatch.setattr(command, "collect", lambda folder: {Mark("ISO-99", "tests/a.py::test_x")})
    assert command.main([], project) == 1
    assert "tests/a.py::test_x marks ISO-99" in capsys.readouterr().err
    assert not (project / "docs" / "requirements.md").exists()
