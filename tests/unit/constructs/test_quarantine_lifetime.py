"""A quarantine forgets nothing that somebody still needs, also where a lifecycle rule was added by hand."""

from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_s3 as s3

from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import NO_BUNDLING


def synthesize(folder: Path, *rules: dict[str, Any], hold_at_most: Duration | None = None) -> None:
    app = cdk.App(outdir=str(folder / "out"), context=dict(NO_BUNDLING))
    stack = cdk.Stack(app, "Stack")
    dependency = IsolatedDependencyStream(
        stack, "slack", consumer=consumer(stack, "Notify", source_folder(folder)), hold_at_most=hold_at_most
    )
    for rule in rules:
        cast("s3.Bucket", dependency.quarantine.bucket).add_lifecycle_rule(**rule)
    app.synth()


@pytest.mark.requirement("LIB-04", "ISO-06")
@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"expiration": Duration.days(29)}, ["after 29 days", "30 days to send them again", "at least 30 days"]),
        ({"expiration": Duration.days(6), "prefix": "parked/"}, ["after 6 days", "hold_at_most is 6 days"]),
        ({"expiration": Duration.days(1), "prefix": "p"}, ["after 1 day", "hold_at_most is 6 days"]),
    ],
    ids=["quarantined", "parked", "both"],
)
def test_a_rule_that_forgets_too_soon_is_refused(rule: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    """Synthesis fails and names the two times that collide, and the way out."""
    with pytest.raises(RuntimeError, match="Validation"):
        synthesize(tmp_path, rule)
    said = (tmp_path / "out" / "validation-report.json").read_text()
    for word in words:
        assert word in said


@pytest.mark.requirement("ISO-06")
def test_other_rules_are_nobodys_business(tmp_path: Path) -> None:
    """Long ones, those that are off, those about old versions, and parked ones that outlast the hold."""
    synthesize(
        tmp_path,
        {"expiration": Duration.days(30)},
        {"expiration": Duration.days(1), "enabled": False},
        {"noncurrent_version_expiration": Duration.days(1)},
        {"expiration": Duration.days(3), "prefix": "parked/"},
        hold_at_most=Duration.days(2),
    )
