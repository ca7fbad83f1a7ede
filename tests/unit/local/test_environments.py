import os
import stat
from pathlib import Path

import pytest

from constructs_lib.local import environments
from constructs_lib.local.environments import interpreter
from constructs_lib.local.errors import LocalCloudError

# Makes the environment on `uv venv`, answers `uv pip sync` with the status in the file beside it.
FAKE_UV = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/calls"
if [ "$1" = venv ]; then
    for target in "$@"; do :; done
    mkdir -p "$target/bin" && touch "$target/bin/python"
else
    echo "cannot reach the index" >&2
    exit "$(cat "$here/status")"
fi
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uv"
    folder.mkdir()
    (folder / "status").write_text("0")
    (folder / "uv").write_text(FAKE_UV)
    (folder / "uv").chmod(stat.S_IRWXU)
    monkeypatch.setenv("UV", str(folder / "uv"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_an_environment_is_built_once(uv: Path) -> None:
    """The first start builds it and says so; the second finds it."""
    said: list[str] = []

    first = interpreter("emulator", said.append)
    second = interpreter("emulator", said.append)

    assert first == second
    assert first.exists()
    assert len(said) == 1
    assert (uv / "calls").read_text().count("pip sync") == 1


def test_only_hashed_packages_are_installed(uv: Path) -> None:
    """What is downloaded must be what the lock says, byte for byte."""
    interpreter("functions", print)

    assert "--require-hashes" in (uv / "calls").read_text()


def test_the_two_environments_are_apart(uv: Path) -> None:
    """A function sees nothing that the emulator needs."""
    assert interpreter("emulator", print) != interpreter("functions", print)


def test_a_changed_lock_gets_a_new_environment(uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment belongs to its lock; one of an older lock is not used."""
    before = interpreter("emulator", print)
    lock = tmp_path / "emulator.txt"
    lock.write_text("other==1")
    monkeypatch.setattr(environments, "_lock", lambda _name: lock)

    assert interpreter("emulator", print) != before


def test_a_failed_build_is_one_sentence_and_leaves_nothing(uv: Path, tmp_path: Path) -> None:
    """The reason reaches the user; a half-built environment is never taken for a whole one."""
    (uv / "status").write_text("1")
    with pytest.raises(LocalCloudError, match=r"emulator environment .* cannot reach the index"):
        interpreter("emulator", print)
    assert list((tmp_path / "cache" / "resilience" / "environments").iterdir()) == []

    (uv / "status").write_text("0")
    assert interpreter("emulator", print).exists()


def test_an_environment_whose_python_is_gone_is_built_anew(uv: Path) -> None:
    """After the Python it was made with was removed, the next start builds another instead of failing."""
    python = interpreter("emulator", print)
    python.unlink()

    assert interpreter("emulator", print).exists()


def test_without_uv_pip_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without uv builds the same from the same lock."""
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    commands = environments._build_commands(tmp_path / "lock.txt", tmp_path / "target")

    assert commands[0][1:3] == ["-m", "venv"]
    assert "--require-hashes" in commands[1]
    assert os.fspath(tmp_path / "lock.txt") in commands[1]
