"""The conformance page of Route 53 names tests that exist, and every unknown with all its choices."""

import re
from dataclasses import fields
from pathlib import Path

from constructs_lib.local.dns_unknowns import Unknowns, choices, variants

PAGE = Path(__file__).parents[3] / "docs" / "conformance" / "route53.md"
TESTS = Path(__file__).parent.glob("test_dns*.py")


def test_every_test_the_page_names_exists() -> None:
    """A rule whose test was renamed or removed would be an empty promise."""
    existing = {name for file in TESTS for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert named
    assert named <= existing


def test_every_rule_of_the_page_has_a_test() -> None:
    """No row of the tables of rules and unknowns ends without one."""
    rules = PAGE.read_text().split("## Health checks")[1].split("## Not modelled")[0]
    rows = [
        line
        for line in rules.splitlines()
        if line.startswith("| ") and not line.startswith(("| rule", "| unknown", "| ---"))
    ]
    assert len(rows) > 30
    assert [row for row in rows if "`test_" not in row.split("|")[-2]] == []


def test_every_unknown_is_on_the_page_with_its_choices() -> None:
    """What the code leaves open, the page says."""
    section = PAGE.read_text().split("## Unknown")[1].split("## Not modelled")[0]
    rows = {
        row[1].split("`")[1]: row[3]
        for line in section.splitlines()
        if len(row := line.split("|")) > 4 and "`" in row[1]
    }
    assert set(rows) == {item.name for item in fields(Unknowns)}
    for item in fields(Unknowns):
        assert [choice.name for choice in choices(item.name) if f"`{choice.name}`" not in rows[item.name]] == []


def test_variants_hold_every_choice() -> None:
    """The usual choices first, then every other one."""
    assert variants()[0] == Unknowns()
    for item in fields(Unknowns):
        assert {getattr(variant, item.name) for variant in variants()} == set(choices(item.name))
