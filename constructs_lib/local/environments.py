"""The private Python environments of the local cloud.

Two of them, built from hashed locks, apart from the app's own environment and from each other:

* `emulator` holds the emulator, which pins its own botocore;
* `functions` holds what AWS's Python runtime holds and nothing else, so that a dependency missing from a function's
  asset is missing here too.

An environment is built once per lock and Python, in the user's cache, and used by every later start.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from constructs_lib.local.errors import LocalCloudError

Name = Literal["emulator", "functions"]


def cache_directory() -> Path:
    """Where everything of the local cloud lives: `resilience` below XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "resilience"


def interpreter(name: Name, progress: Callable[[str], None]) -> Path:
    """The Python interpreter of environment *name*, building the environment if it is not there yet.

    Args:
        name: Which environment.
        progress: Called with a line of text before something slow.

    Raises:
        LocalCloudError: If the environment cannot be built.
    """
    lock = _lock(name)
    identity = lock.read_bytes() + "\0".join((sys.version, sys.base_prefix, platform.platform())).encode()
    home = cache_directory() / "environments" / f"{name}-{hashlib.sha256(identity).hexdigest()[:16]}"
    python = home / "bin" / "python"
    if not python.exists():
        progress(f"Building the {name} environment (once)")
        # There may be one whose Python was removed since: a link to nowhere.
        shutil.rmtree(home, ignore_errors=True)
        _build(name, lock, home)
    return python


def _build(name: Name, lock: Path, home: Path) -> None:
    """Build aside, then rename: an interrupted build leaves nothing that looks like an environment."""
    home.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home.parent))
    try:
        for command in _build_commands(lock, aside):
            built = subprocess.run(command, capture_output=True, text=True, check=False)
            if built.returncode:
                detail = (built.stderr or built.stdout).strip().splitlines()
                raise LocalCloudError(
                    f"The {name} environment of the local cloud could not be built from {lock}: "
                    f"{detail[-1] if detail else f'{command[0]} failed'}"
                )
        # Another start may have built the same environment meanwhile; either serves.
        with contextlib.suppress(OSError):
            aside.rename(home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _build_commands(lock: Path, target: Path) -> list[list[str]]:
    python = str(target / "bin" / "python")
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv and shutil.which(uv):
        return [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(target)],
            # Compiled now, not by the first function that starts.
            [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", python, str(lock)],
        ]
    return [
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [
            *(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "-r", str(lock)),
        ],
    ]


def _lock(name: Name) -> Path:
    package = Path(__file__).resolve().parent.parent
    # In an installed wheel the locks travel inside the package, in a checkout they stand beside it.
    for folder in (package / "_locks", package.parent / "requirements"):
        if (lock := folder / f"{name}.txt").exists():
            return lock
    raise LocalCloudError(f"The lock of the {name} environment is missing; install constructs-lib anew.")
