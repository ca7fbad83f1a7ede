"""What tests of constructs share: a function's folder, and an installer that needs no network."""

from pathlib import Path

import pytest

from tests.support.packages import FakeInstaller


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The folder of a function, `code/greet`, beside a shared folder."""
    greet = tmp_path / "code" / "greet"
    shared = tmp_path / "code" / "shared"
    for folder in (greet, shared):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (greet.parent / "__init__.py").touch()
    (greet / "handler.py").write_text(
        "from aws_lambda_powertools import Logger\n\nfrom code.shared.words import HELLO\n\n\n"
        "def handle(event, context):\n    return HELLO\n"
    )
    (shared / "words.py").write_text("HELLO = 'hello'\n")
    return greet


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeInstaller:
    """An installer that works, and a package cache with nothing in it."""
    made = FakeInstaller(tmp_path)
    monkeypatch.setenv("UV", str(made.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made
