import json
from pathlib import Path
from typing import Any

from constructs_lib.local.assembly import Stack
from constructs_lib.local.regional_extent import regions_of


def stack(region: str | None) -> Stack:
    return Stack(name="Orders", account=None, region=region, qualifier="hnb659fds")


def write(folder: Path, *regions: Any) -> None:
    table = {"Type": "AWS::DynamoDB::GlobalTable", "Properties": {"Replicas": [{"Region": each} for each in regions]}}
    (folder / "Orders.template.json").write_text(json.dumps({"Resources": {"Table": table, "Q": {"Type": "X"}}}))


def test_regions_of_stacks_come_first_and_once(tmp_path: Path) -> None:
    """In the order of the app; a stack that names none is in the default region."""
    stacks = [stack("eu-west-1"), stack(None), stack("eu-west-1")]

    assert regions_of(stacks, tmp_path, "us-east-1") == ("eu-west-1", "us-east-1")


def test_a_replica_needs_its_region_although_no_stack_is_there(tmp_path: Path) -> None:
    """Also one of a stage's template; a region that is not spelled out is that of the stack."""
    (tmp_path / "assembly-stage").mkdir()
    write(tmp_path / "assembly-stage", {"Ref": "AWS::Region"}, "us-east-1", "ap-south-1")

    assert regions_of([stack("us-east-1")], tmp_path, "us-east-1") == ("us-east-1", "ap-south-1")
