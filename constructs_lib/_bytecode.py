"""Bytecode in a function's asset, so that no cold start compiles what never changes.

Lambda cannot keep what it compiles, for the code's folder is read-only there. Bytecode serves one minor version of Python
only, so it is made where this Python is the function's. It carries no time and no path of this machine, and is never
checked against its source: the usual kind would be stale at once, because an asset's files get another date on their way.
"""

import py_compile
import sys
from collections.abc import Iterable
from importlib.util import MAGIC_NUMBER
from pathlib import Path

# What functions run on AWS, as `PythonFunction` says it.
PYTHON = "3.13"

# Where Lambda puts the asset; tracebacks name it.
_HOME = "/var/task"


def kind() -> str:
    """What bytecode this Python would make for a function: the interpreter's own mark of it; empty where it is no use."""
    mine = sys.implementation.name == "cpython" and sys.version_info[:2] == tuple(map(int, PYTHON.split(".")))
    return MAGIC_NUMBER.hex() if mine else ""


def add(root: Path, names: Iterable[str]) -> None:
    """Put the bytecode of the Python files *names* below *root* beside them, where it is of use."""
    if not kind():
        return
    for name in names:
        if not name.endswith(".py"):
            continue
        try:
            written = py_compile.compile(
                str(root / name),
                dfile=f"{_HOME}/{name}",
                doraise=True,
                optimize=0,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            # Packages bring templates and examples for other versions; whoever imports one is told then.
            continue
        Path(str(written)).chmod(0o644)
