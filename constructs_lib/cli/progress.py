"""Progress of a command whose result others may read."""

import sys


def say_aside(text: str) -> None:
    """One line of progress, beside the result."""
    print(f"· {text}", file=sys.stderr, flush=True)
