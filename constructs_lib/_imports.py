"""Which modules a handler loads, read from the import statements of its code; nothing is run."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path


def modules_imported(entry: str, files: Mapping[str, Path]) -> frozenset[str]:
    """Names of all modules that *entry* imports, itself or by way of other modules in *files*.

    Every import statement counts, those inside functions too; those under `if TYPE_CHECKING:` do not, for they are never
    run. A module whose name is put together at run time is not seen.

    Args:
        entry: Dotted name of a module in *files*.
        files: Python files by their path below the import root.

    Returns:
        Dotted names, packages of imported modules included. In `from a import b`, `a.b` counts as a module too: which
        of the two it is cannot be told from outside of `a`.

    Raises:
        ValueError: If one of the files read is no valid Python.
    """
    seen: set[str] = set()
    left = [entry]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        parent, _, _ = name.rpartition(".")
        if parent:
            left.append(parent)
        path = name.replace(".", "/")
        for module, package in ((f"{path}.py", parent), (f"{path}/__init__.py", name)):
            if module in files:
                left += _imports(files[module], package)
    return frozenset(seen - {entry})


def _imports(path: Path, package: str) -> Iterator[str]:
    for base, names, level in _statements(path, path.stat().st_mtime_ns):
        if level:
            # `from .. import x` in a.b.c: one level is the package itself, each further one a package above it.
            above = package.split(".")[: len(package.split(".")) - level + 1]
            base = ".".join(filter(None, (*above, base)))  # noqa: PLW2901 - the absolute name of the same module
        yield base
        yield from (f"{base}.{name}" for name in names if name != "*")


@cache
def _statements(path: Path, _changed: int) -> tuple[tuple[str, tuple[str, ...], int], ...]:
    """Module, names taken from it, and dots before it, of each import in a file; functions share most of their files."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise ValueError(f"source must be valid Python, got {path}, line {error.lineno}: {error.msg}") from None
    return tuple(_found(tree))


def _found(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...], int]]:
    match node:
        case ast.Import(names):
            yield from ((each.name, (), 0) for each in names)
        case ast.ImportFrom(module, names, level):
            yield module or "", tuple(each.name for each in names), level
        case ast.If(ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), _, otherwise):
            yield from chain.from_iterable(map(_found, otherwise))
        case _:
            yield from chain.from_iterable(map(_found, ast.iter_child_nodes(node)))
