"""What holds data, or remembers how far it was read, stays what it is through every release.

`identities.yaml` is written by hand, on purpose: `./dev snap` accepts any change of a template, and one that replaces a
stream or a mapping loses records or reads them anew.
"""

from pathlib import Path

import pytest
import yaml

from constructs_lib.testing.assembly import Assembly
from constructs_lib.testing.replacements import identities, replacements

KEPT = Path(__file__).with_name("identities.yaml")


@pytest.fixture(scope="module")
def kept() -> dict[str, dict[str, object]]:
    """Identities by stack."""
    return dict(yaml.safe_load(KEPT.read_text()))


@pytest.mark.requirement("LIB-06")
def test_nothing_that_holds_data_is_replaced(kept: dict[str, dict[str, object]], cdk_app: Assembly) -> None:
    """No stream, mapping, queue, table or bucket that was once deployed is deleted or made anew."""
    found = {stack: replacements(before, cdk_app.templates[stack]) for stack, before in kept.items()}
    assert not any(found.values()), "move the data first, in a release of its own, then change identities.yaml"


def test_everything_new_is_kept_from_now_on(kept: dict[str, dict[str, object]], cdk_app: Assembly) -> None:
    """Whatever is added to the system is added to the file."""
    now = {stack: identities(template) for stack, template in cdk_app.templates.items()}
    missing = {stack: {name: each for name, each in of.items() if name not in kept[stack]} for stack, of in now.items()}
    assert not any(missing.values()), f"add to {KEPT.name}:\n{yaml.dump(missing, sort_keys=True, width=120)}"
