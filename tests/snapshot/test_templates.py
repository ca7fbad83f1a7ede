"""What would be deployed, stack by stack; a change here is a change to somebody's infrastructure."""

from typing import TYPE_CHECKING

import pytest

from constructs_lib.testing.assembly import Assembly

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize("stack", ["Alerting-Global", "Alerting-us-east-1", "Alerting-eu-west-1"])
def test_template(stack: str, cdk_app: Assembly, template_snapshot: "SnapshotAssertion") -> None:
    """The template of the stack is the one that was reviewed."""
    assert cdk_app.templates[stack] == template_snapshot


def test_every_stack_has_a_snapshot(cdk_app: Assembly) -> None:
    """A new stack is reviewed like the others."""
    assert set(cdk_app.templates) == {"Alerting-Global", "Alerting-us-east-1", "Alerting-eu-west-1"}
