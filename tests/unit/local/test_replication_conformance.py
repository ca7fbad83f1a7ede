"""The page on global tables names tests that exist, and every unknown with all its choices."""

from dataclasses import fields
from pathlib import Path

from constructs_lib.local.replication.unknowns import Unknowns, choices, variants
from tests.support.conformance import between, existing_tests, named_tests, unknowns, without_test

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "conformance" / "global-tables.md"
TESTS = [*Path(__file__).parent.glob("test_replication*.py"), ROOT / "tests" / "e2e" / "test_replication.py"]


def test_every_test_the_page_names_exists() -> None:
    """A rule whose test was renamed or removed would be an empty promise."""
    named = named_tests(PAGE)
    assert named
    assert named <= existing_tests(TESTS)


def test_every_rule_of_the_page_has_a_test() -> None:
    """No row of the tables of rules and unknowns ends without one."""
    rules = between(PAGE, "## Replicas")
    assert len(rules) > 20
    assert without_test(rules) == []


def test_every_unknown_is_on_the_page_with_its_choices() -> None:
    """What the code leaves open, the page says."""
    named = unknowns(PAGE)
    assert set(named) == {item.name for item in fields(Unknowns)}
    for item in fields(Unknowns):
        assert [choice.name for choice in choices(item.name) if f"`{choice.name}`" not in named[item.name]] == []


def test_variants_hold_every_choice() -> None:
    """The usual choices first, then every other one."""
    assert variants()[0] == Unknowns()
    for item in fields(Unknowns):
        assert {getattr(variant, item.name) for variant in variants()} == set(choices(item.name))
