"""The conformance page names tests that exist, and every unknown with all its choices."""

from dataclasses import fields
from enum import Enum
from pathlib import Path

from constructs_lib.local.event_source_mapping.unknowns import Unknowns, choices, variants
from tests.support.conformance import between, existing_tests, named_tests, unknowns, without_test

PAGE = Path(__file__).parents[3] / "docs" / "conformance" / "event-source-mapping.md"
TESTS = Path(__file__).parent.glob("test_event_source_mapping_*.py")


def test_every_test_the_page_names_exists() -> None:
    """A rule whose test was renamed or removed would be an empty promise."""
    named = named_tests(PAGE)
    assert named
    assert named <= existing_tests(TESTS)


def test_every_rule_of_the_page_has_a_test() -> None:
    """No row of the tables of rules and unknowns ends without one."""
    rules = between(PAGE, "## Reading and batching")
    assert len(rules) > 60
    assert without_test(rules) == []


def test_every_unknown_is_on_the_page_with_its_choices() -> None:
    """What the code leaves open, the page says."""
    named = unknowns(PAGE)
    assert [item.name for item in fields(Unknowns) if item.name not in named] == []
    for item in fields(Unknowns):
        listed = [choice.name for choice in choices(item.name) if isinstance(choice, Enum)]
        assert [name for name in listed if f"`{name}`" not in named[item.name]] == []


def test_variants_hold_every_choice() -> None:
    """The usual choices first, then every other one."""
    assert variants()[0] == Unknowns()
    for item in fields(Unknowns):
        assert len(choices(item.name)) > 1
        assert {getattr(variant, item.name) for variant in variants()} == set(choices(item.name))
