"""Run the benchmarks: python -m tests.benchmarks [NAME ...]."""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import benchmarks
from tests.benchmarks.result import Figure, table

PAGES = Path(__file__).parents[2] / "docs" / "benchmarks"


def main(arguments: Sequence[str]) -> int:
    """Run what *arguments* name, or all; exit status 1 when a counted target is missed."""
    known = sorted(
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name.startswith("bench_")
    )
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *known], metavar="NAME", help=f"one of {', '.join(known)}")
    parser.add_argument("--write", action="store_true", help="write each one's page in docs/benchmarks anew")
    options = parser.parse_args(arguments)
    chosen: list[str] = options.name or known
    missed = False
    for name in chosen:
        module = importlib.import_module(f"tests.benchmarks.bench_{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}\n", flush=True)
        figures: Sequence[Figure] = module.measure()
        print(table(figures), flush=True)
        if options.write:
            write(name, module.__doc__ or "", figures)
        missed = missed or any(figure.missed and figure.counted for figure in figures)
    return int(missed)


def write(name: str, about: str, figures: Sequence[Figure]) -> None:
    """Write the page of one benchmark."""
    PAGES.mkdir(exist_ok=True)
    title, _, rest = about.strip().partition("\n")
    note = (
        f"Written by `./dev bench {name} --write`. A ratio is ours divided by the baseline's. What is counted is the same"
        " on every machine; of what is timed, only the ratio says something, for both ran in turn on the same machine:"
        f" {os.cpu_count()} cores, {os.getloadavg()[1]:.1f} processes that wanted them."
    )
    (PAGES / f"{name}.md").write_text(f"# {title.removesuffix('.')}\n\n{rest.strip()}\n\n{note}\n\n{table(figures)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
