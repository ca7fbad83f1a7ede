"""One table of environment settings: constructs write it, the runtime reads it, the docs show it."""

import re
from pathlib import Path
from types import ModuleType

from constructs_lib import _environment as written
from constructs_lib.runtime import settings as read

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "environment.md"


def names(module: ModuleType) -> dict[str, str]:
    """Constants of *module* that name an environment setting."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.startswith(("RESILIENCE_", "POWERTOOLS_"))
    }


def test_constructs_and_runtime_name_the_same_settings() -> None:
    """They may not import each other, so a misspelt name would only show on AWS."""
    assert names(written) == names(read)


def test_the_page_shows_every_setting() -> None:
    """No setting is secret, and none on the page is gone."""
    assert set(re.findall(r"^\| `([A-Z_]+)`", DOCUMENTED.read_text(), re.MULTILINE)) == set(names(written).values())
