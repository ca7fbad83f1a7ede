"""Write docs/requirements.md, or compare it: python -m tests.coverage [--check]."""

import argparse
import difflib
import sys
from itertools import islice
from pathlib import Path

from tests.coverage.marks import collect
from tests.coverage.page import proofs, render
from tests.coverage.rows import CoverageError, parse

ROOT = Path(__file__).resolve().parents[2]
MOST_DIFFERENCES = 20


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Do what *arguments* ask for in the project at *root*; answer with an exit status."""
    parser = argparse.ArgumentParser(prog="./dev coverage", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is stale")
    check: bool = parser.parse_args(arguments).check
    page = root / "docs" / "requirements.md"
    try:
        requirements = parse((root / "tests" / "requirements.toml").read_text(encoding="utf-8"))
        wanted = render(requirements, proofs(requirements, collect(root / "tests")))
        if check:
            compare(page.read_text(encoding="utf-8") if page.exists() else "", wanted)
        else:
            page.write_text(wanted, encoding="utf-8")
    except CoverageError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"docs/requirements.md {'is up to date' if check else 'is written'}.")
    return 0


def compare(committed: str, wanted: str) -> None:
    """Accept *committed* only if it is *wanted* to the byte.

    Raises:
        CoverageError: If it is not, with the first differences.
    """
    if committed == wanted:
        return
    differences = difflib.unified_diff(
        committed.splitlines(), wanted.splitlines(), "as it is", "as it should be", n=0, lineterm=""
    )
    shown = list(islice(differences, MOST_DIFFERENCES))
    raise CoverageError("\n".join(["docs/requirements.md is stale; run ./dev coverage and commit the page.", *shown]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
