"""Write docs/blast-radius.md, or compare it: python -m tests.blast_radius [--check | --measured REPORT ...]."""

import argparse
import difflib
import json
import sys
from itertools import islice
from pathlib import Path

from tests.blast_radius.matrix import measure
from tests.blast_radius.measured import keep, kept, shorten
from tests.blast_radius.page import render
from tests.blast_radius.world import DEPENDENCIES, Sharing

ROOT = Path(__file__).resolve().parents[2]
MOST_DIFFERENCES = 20


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Do what *arguments* ask for in the project at *root*; answer with an exit status."""
    parser = argparse.ArgumentParser(prog="./dev blast_radius", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is stale")
    parser.add_argument(
        "--measured", metavar="REPORT", type=Path, nargs="+", help="reports of drills to put on the page"
    )
    given = parser.parse_args(arguments)
    page, measured = root / "docs" / "blast-radius.md", root / "docs" / "measured"
    for report in given.measured or ():
        keep(shorten(json.loads(report.read_text(encoding="utf-8"))), measured)
    rows = [
        *measure(),
        *measure(dependencies=DEPENDENCIES[:1], sharing=[each for each in Sharing if each is not Sharing.NOTHING]),
    ]
    wanted = render(rows, kept(measured))
    if not given.check:
        page.write_text(wanted, encoding="utf-8")
        print("docs/blast-radius.md is written.")
        return 0
    found = page.read_text(encoding="utf-8") if page.exists() else ""
    if found == wanted:
        print("docs/blast-radius.md is up to date.")
        return 0
    print("docs/blast-radius.md is stale; run ./dev blast_radius and commit the page.", file=sys.stderr)
    differences = difflib.unified_diff(found.splitlines(), wanted.splitlines(), "as it is", "as it should be", n=0)
    print("\n".join(islice((line.rstrip("\n") for line in differences), MOST_DIFFERENCES)), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
