"""The locks: hashed, without addresses, and complete."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(
    path
    for folder in ("requirements", "constructs_lib", "lambdas", "examples")
    for path in (ROOT / folder).rglob("*.txt")
    if "node_modules" not in path.parts
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_names_no_download_address(lock: Path) -> None:
    """Whoever installs uses their own mirror; an address in a lock would send them past it."""
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_locked_package_is_pinned_and_hashed(lock: Path) -> None:
    """A download that differs by one byte from what was locked is refused."""
    logical_lines = lock.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in logical_lines if line.strip() and not line.startswith("#")]
    assert packages
    for line in packages:
        assert re.match(r"[\w.\-\[\]]+==\S+", line), line
        assert "--hash=sha256:" in line, line


def test_all_locks_are_found() -> None:
    """The project, the emulator, the functions' environment and the runtime have a lock each."""
    names = {str(path.relative_to(ROOT)) for path in LOCKS}
    assert {
        "requirements/dev.txt",
        "requirements/emulator.txt",
        "requirements/functions.txt",
        "constructs_lib/runtime/requirements.txt",
    } <= names
