"""Resources that hold data keep their identity: a new logical id is a new, empty resource."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from constructs_lib.testing.assembly import Assembly
from constructs_lib.testing.replacements import identities, replacements

KEEPS_DATA = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::Kinesis::Stream",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
# What a table says of tenants' rates is worth nothing a hundred seconds later.
HOLDS_NOTHING = "ThrottleTokens"
# Changing this file is deciding to leave somebody's data behind; adding to it is not. It is written by hand, on purpose:
# `./dev snap` accepts any change of a template.
KEPT = Path(__file__).with_name("identities.yaml")


@pytest.fixture(scope="module")
def kept() -> dict[str, dict[str, Any]]:
    """What makes each resource the one it is, by stack."""
    return dict(yaml.safe_load(KEPT.read_text()))


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_or_a_position_is_not_replaced(kept: dict[str, dict[str, Any]], cdk_app: Assembly) -> None:
    """Nothing that was once deployed is deleted or made anew: no stream, mapping, table, bucket, queue, secret or
    workflow.
    """
    found = {stack: replacements(before, cdk_app.templates[stack]) for stack, before in kept.items()}
    assert not any(found.values()), "move what it holds first, in a release of its own, then change identities.yaml"


def test_everything_new_is_kept_from_now_on(kept: dict[str, dict[str, Any]], cdk_app: Assembly) -> None:
    """Whatever is added to the system is added to the file."""
    now = {stack: identities(template) for stack, template in cdk_app.templates.items()}
    missing = {stack: {name: each for name, each in of.items() if name not in kept[stack]} for stack, of in now.items()}
    assert not any(missing.values()), f"add to {KEPT.name}:\n{yaml.dump(missing, sort_keys=True, width=120)}"


@pytest.mark.requirement("LIB-06")
def test_all_regions_hold_the_same(kept: dict[str, dict[str, Any]]) -> None:
    """A region is a copy of the others."""
    assert kept["Alerting-us-east-1"] == kept["Alerting-eu-west-1"]


@pytest.mark.requirement("LIB-07")
@pytest.mark.parametrize("stack", ["Alerting-Global", "Alerting-us-east-1", "Alerting-eu-west-1"])
def test_what_holds_data_outlives_its_stack(stack: str, cdk_app: Assembly) -> None:
    """Deleting a stack, or replacing a resource by mistake, leaves the data where it is."""
    for name, each in cdk_app.templates[stack]["Resources"].items():
        if each["Type"] in KEEPS_DATA and not name.startswith(HOLDS_NOTHING):
            # A secret has a fixed name: one that a failed first deployment left behind would make all others fail.
            named = each["Type"] == "AWS::SecretsManager::Secret"
            assert each.get("DeletionPolicy") == ("RetainExceptOnCreate" if named else "Retain"), name
            assert each.get("UpdateReplacePolicy") == "Retain", name


@pytest.mark.requirement("LIB-09", "MRG-23")
def test_nothing_needs_a_network_of_ones_own(cdk_app: Assembly) -> None:
    """No VPC, subnet or security group, and nothing that names an availability zone, in any template."""
    for template in cdk_app.templates.values():
        assert not [each["Type"] for each in template["Resources"].values() if each["Type"].startswith("AWS::EC2::")]
        assert "VpcConfig" not in str(template)
        assert "AvailabilityZone" not in str(template)
