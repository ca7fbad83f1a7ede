"""Functions of our own for tests of the constructs that use them."""

from pathlib import Path
from typing import Any

from constructs import Construct

from constructs_lib.python_function import PythonFunction


def source_folder(parent: Path) -> Path:
    """A folder with a handler that does nothing, below *parent*."""
    source = parent / "code" / "consume"
    source.mkdir(parents=True, exist_ok=True)
    (source / "handler.py").write_text("def handle(event, context):\n    return {'batchItemFailures': []}\n")
    return source


def consumer(scope: Construct, id: str, source: Path, **options: Any) -> PythonFunction:
    """A function from *source*; stacks of `tests.support.synthesis` do not bundle it."""
    return PythonFunction(scope, id, source=source, **options)
