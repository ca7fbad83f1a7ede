"""The page: rows and marks as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from tests.coverage.marks import Mark
from tests.coverage.rows import CoverageError, Requirement

STATES = ("proven", "partly", "open")

INTRODUCTION = """\
# Requirements and their proof

What the product promises, one sentence per requirement, and the tests that prove it. A test names what it proves with
`@pytest.mark.requirement("ISO-05")`; the sentences are in [tests/requirements.toml](../tests/requirements.toml).
`./dev coverage` writes this page from both, and `./dev check` fails when it is stale: do not edit it by hand.

Behind each id stand its place in the order of building (1 first, 3 last) and its state. **proven**: tests show all of
it. **partly**: tests show it except for what is named as missing. **open**: no test shows it yet. Skipped tests do not
count. The tests run on a developer's machine, where a local emulator takes the place of AWS.
"""


def proofs(requirements: Sequence[Requirement], marks: Iterable[Mark]) -> dict[str, list[str]]:
    """The sorted tests of every requirement.

    Raises:
        CoverageError: If a mark names an unknown id, or a row without tests says what they leave out.
    """
    tests: dict[str, list[str]] = {requirement.id: [] for requirement in requirements}
    unknown = []
    for mark in sorted(marks):
        if mark.requirement in tests:
            tests[mark.requirement].append(mark.test)
        else:
            unknown.append(f"{mark.test} marks {mark.requirement}, which is no row of tests/requirements.toml.")
    if unknown:
        raise CoverageError("\n".join([*unknown, "Correct the id in the test, or add the row."]))
    if unproven := [each.id for each in requirements if each.missing and not tests[each.id]]:
        raise CoverageError(
            f"tests/requirements.toml says what is missing for {', '.join(unproven)}, but no test marks it: "
            "remove `missing` (the row is open as a whole), or mark the tests that prove the rest."
        )
    return tests


def render(requirements: Sequence[Requirement], tests: Mapping[str, Sequence[str]]) -> str:
    """The whole page; the same input gives the same bytes."""
    areas = [(area, list(rows)) for area, rows in groupby(requirements, key=lambda each: each.area)]
    lines = [INTRODUCTION, "| Area | " + " | ".join(STATES) + " |", "| --- |" + " ---: |" * len(STATES)]
    lines += [f"| [{area}](#{_anchor(area)}) | {_counts(rows, tests)} |" for area, rows in areas]
    lines.append(f"| **All** | {_counts(requirements, tests)} |")
    for area, rows in areas:
        lines += ["", f"## {area}", ""]
        for row in rows:
            lines += _entry(row, tests[row.id])
    return "\n".join(lines) + "\n"


def _entry(row: Requirement, tests: Sequence[str]) -> Iterator[str]:
    yield f"- **{row.id}** ({row.priority}, {_state(row, tests)}) {row.statement}"
    if row.missing:
        yield f"  - Missing: {row.missing}"
    for test in tests:
        yield f"  - [`{test}`](../{test.partition('::')[0]})"


def _state(row: Requirement, tests: Sequence[str]) -> str:
    if not tests:
        return "open"
    return "partly" if row.missing else "proven"


def _counts(rows: Sequence[Requirement], tests: Mapping[str, Sequence[str]]) -> str:
    states = [_state(row, tests[row.id]) for row in rows]
    return " | ".join(str(states.count(state)) for state in STATES)


def _anchor(heading: str) -> str:
    """The fragment that Markdown hosts give a heading."""
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -")
    return kept.replace(" ", "-")
