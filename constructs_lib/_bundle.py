"""What goes into a function's asset: its own folder, the shared one, our runtime, and locked packages.

Names inside the asset are the import names used everywhere else, so tests and Lambda run the same code. The
fingerprint and every byte written depend on names and contents only, and on whether this Python is the one functions run
on: not on path, user or clock.

Our code goes whole, for it is small. The runtime's packages, Powertools, go only to functions whose code imports them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from constructs_lib import _bytecode
from constructs_lib._imports import modules_imported
from constructs_lib._packages import Lock, check_agreement, installed, is_compiled, read_lock

_LIBRARY = Path(__file__).resolve().parent
_RUNTIME = _LIBRARY / "runtime"
_OWN_FUNCTIONS = _RUNTIME / "functions"

# The one package of the runtime that handlers import by name; the others of its lock are there for it.
_POWERTOOLS = "aws_lambda_powertools"

_LEFT_OUT_FOLDERS = {"__pycache__", "tests"}
_LEFT_OUT_FILES = {"py.typed", "requirements.in", "requirements.txt"}
_LEFT_OUT_SUFFIXES = {".pyc", ".pyo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One function's code, ready to be written anywhere.

    Attributes:
        package: Name of the function's folder.
        handler: What Lambda calls, as a dotted name.
        files: Our own files by their name inside the asset, in order.
        locks: The packages that go with them.
    """

    package: str
    handler: str
    files: dict[str, Path]
    locks: tuple[Lock, ...]

    @property
    def fingerprint(self) -> str:
        """Changes when, and only when, the asset would."""
        total = hashlib.sha256(f"{_bytecode.kind()}\n".encode())
        for name, path in self.files.items():
            total.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        for lock in self.locks:
            total.update(f"{lock.fingerprint}\n".encode())
        return total.hexdigest()

    def fetch(self) -> None:
        """Have the packages on this machine, so that `write` cannot fail for want of them.

        Raises:
            ValueError: If a package holds compiled code.
            RuntimeError: If the packages are not there yet and cannot be installed.
        """
        for lock in self.locks:
            installed(lock)

    def write(self, target: Path) -> None:
        """Write the asset into *target*, an existing folder."""
        for lock in self.locks:
            folder = installed(lock)
            for path in _files_below(folder):
                _copy(path, target / path.relative_to(folder))
        for name, path in self.files.items():
            _copy(path, target / name)
        _bytecode.add(target, self.files)


def collect(source: Path) -> Bundle:
    """Find everything that belongs to the function in *source*.

    Raises:
        ValueError:
            If *source* is not such a folder, holds compiled code or no valid Python, or its packages are not pinned.
    """
    source = source.resolve()
    if not source.is_dir():
        raise ValueError(
            f"source must be a folder, got {str(source)!r}, which is none; a relative path starts at {Path.cwd()}"
        )
    if not (source / "handler.py").is_file():
        raise ValueError(
            f"source must hold a handler.py with a function 'handle', got {str(source)!r} without one; add it"
        )
    files = dict(sorted({**_runtime_files(), **_function_files(source)}.items()))
    for name, path in files.items():
        if is_compiled(path):
            raise ValueError(
                f"source must be pure Python, got the compiled file {name}; one bundle serves every architecture, so remove it"
            )
    module = ".".join((_home(source) / source.name / "handler").parts)
    locks = []
    if _POWERTOOLS in modules_imported(module, files):
        locks.append(read_lock(_RUNTIME / "requirements.txt"))
    if (own := source / "requirements.txt").is_file():
        locks.append(read_lock(own))
        check_agreement(locks[0], locks[-1])
    return Bundle(package=source.name, handler=f"{module}.handle", files=files, locks=tuple(locks))


def _function_files(source: Path) -> dict[str, Path]:
    home = _home(source)
    for part in (*home.parts, source.name):
        if not part.isidentifier():
            raise ValueError(
                f"source must be a folder that Python can import, together with its parent folder, got {part!r} in "
                f"{str(source)!r}; rename it to letters, digits and underscores"
            )
    found = {(home / source.name / path.relative_to(source)).as_posix(): path for path in _kept_below(source)}
    root = source.parent
    if (root / "__init__.py").is_file():
        found[(home / "__init__.py").as_posix()] = root / "__init__.py"
    if source.name != "shared":
        for path in _kept_below(root / "shared"):
            found[(home / path.relative_to(root)).as_posix()] = path
    return found


def _home(source: Path) -> Path:
    """Import root of *source*, as it stands inside the asset."""
    if source.is_relative_to(_LIBRARY):
        return source.parent.relative_to(_LIBRARY.parent)
    return Path(source.parent.name)


def _runtime_files() -> dict[str, Path]:
    # Functions that constructs own lie beside the runtime; one of them changing must not touch all the others.
    kept = [path for path in _kept_below(_RUNTIME) if not path.is_relative_to(_OWN_FUNCTIONS)]
    return {path.relative_to(_LIBRARY.parent).as_posix(): path for path in [_LIBRARY / "__init__.py", *kept]}


def _kept_below(folder: Path) -> Iterator[Path]:
    for path in _files_below(folder):
        *folders, name = path.relative_to(folder).parts
        if _LEFT_OUT_FOLDERS.intersection(folders) or any(part.startswith(".") for part in (*folders, name)):
            continue
        if name not in _LEFT_OUT_FILES and path.suffix not in _LEFT_OUT_SUFFIXES:
            yield path


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    # The archive records modes; a developer's umask must not show in it.
    target.chmod(0o644)
