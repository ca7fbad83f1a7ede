"""Run the benchmarks: python -m tests.benchmarks [NAME ...]."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from tests import benchmarks
from tests.benchmarks.result import Figure, table


def main(arguments: Sequence[str]) -> int:
    """Run what *arguments* name, or all; exit status 1 when a counted target is missed."""
    known = sorted(
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name.startswith("bench_")
    )
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *known], metavar="NAME", help=f"one of {', '.join(known)}")
    chosen: list[str] = parser.parse_args(arguments).name or known
    missed = False
    for name in chosen:
        module = importlib.import_module(f"tests.benchmarks.bench_{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}\n", flush=True)
        figures: Sequence[Figure] = module.measure()
        print(table(figures), flush=True)
        missed = missed or any(figure.missed and figure.counted for figure in figures)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
