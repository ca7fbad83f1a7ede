"""The page about the local cloud: what the report of an app can say is on it."""

from pathlib import Path

from constructs_lib.local.limits import DIFFERENCES, STAND_INS, UNDEPLOYABLE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "local-cloud.md").read_text()


def test_every_difference_is_on_the_page() -> None:
    """Whoever reads before running learns what whoever runs is told; a missing row is printed as it belongs there."""
    rows = [f"| `{kind}` | {f'`{option}`' if option else 'any'} | {text} |" for kind, option, text in DIFFERENCES]
    assert [row for row in rows if row not in PAGE] == []
    assert len(table("## Different")) == len(rows)


def test_every_type_that_is_left_out_is_on_the_page() -> None:
    """With the reason, and what does its work."""
    rows = [
        f"| `{kind}` | {f'`{option}`' if option else 'any'} | {reason} | {STAND_INS.get(kind, 'nothing')} |"
        for kind, option, reason in UNDEPLOYABLE
    ]
    assert [row for row in rows if row not in PAGE] == []
    assert len(table("## Left out")) == len(rows)


def table(heading: str) -> list[str]:
    """The rows of the one table below *heading*."""
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]
