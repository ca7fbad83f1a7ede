"""Reading a conformance page: its tables, and the tests they name."""

import re
from collections.abc import Iterable
from pathlib import Path

_HEADINGS = ("| rule", "| unknown", "| ---")


def rows(section: str) -> list[list[str]]:
    """The cells of every row in the tables of *section*, without their headings."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line.split("|")[1:-1] for line in lines if not line.startswith(_HEADINGS)]


def between(page: Path, start: str, end: str = "## Not modelled") -> list[list[str]]:
    """The rows of *page* from the heading *start* to the heading *end*."""
    return rows(page.read_text().split(start)[1].split(end)[0])


def without_test(found: list[list[str]]) -> list[list[str]]:
    """The rows whose last cell names no test."""
    return [row for row in found if "`test_" not in row[-1]]


def unknowns(page: Path) -> dict[str, str]:
    """The unknowns on *page*: name to the cell with their choices."""
    return {row[0].split("`")[1]: row[2] for row in between(page, "## Unknown")}


def named_tests(page: Path) -> set[str]:
    """Every test that *page* names."""
    return set(re.findall(r"`(test_\w+)`", page.read_text()))


def existing_tests(files: Iterable[Path]) -> set[str]:
    """Every test that *files* define."""
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
