"""The page on global tables names tests that exist, and every unknown with all its choices."""

import re
from dataclasses import fields
from pathlib import Path

from constructs_lib.local.replication_unknowns import Unknowns, choices, variants

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "conformance" / "global-tables.md"
TESTS = [*Path(__file__).parent.glob("test_replication*.py"), ROOT / "tests" / "e2e" / "test_replication.py"]


def rows(section: str) -> list[list[str]]:
    """The cells of every row in the tables of *section*, without their headings."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line.split("|")[1:-1] for line in lines if not line.startswith(("| rule", "| unknown", "| ---"))]


def test_every_test_the_page_names_exists() -> None:
    """A rule whose test was renamed or removed would be an empty promise."""
    existing = {name for file in TESTS for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert named
    assert named <= existing


def test_every_rule_of_the_page_has_a_test() -> None:
    """No row of the tables of rules and unknowns ends without one."""
    rules = rows(PAGE.read_text().split("## Replicas")[1].split("## Not modelled")[0])
    assert len(rules) > 20
    assert [row for row in rules if "`test_" not in row[-1]] == []


def test_every_unknown_is_on_the_page_with_its_choices() -> None:
    """What the code leaves open, the page says."""
    section = PAGE.read_text().split("## Unknown")[1].split("## Not modelled")[0]
    named = {row[0].split("`")[1]: row[2] for row in rows(section)}
    assert set(named) == {item.name for item in fields(Unknowns)}
    for item in fields(Unknowns):
        assert [choice.name for choice in choices(item.name) if f"`{choice.name}`" not in named[item.name]] == []


def test_variants_hold_every_choice() -> None:
    """The usual choices first, then every other one."""
    assert variants()[0] == Unknowns()
    for item in fields(Unknowns):
        assert {getattr(variant, item.name) for variant in variants()} == set(choices(item.name))
