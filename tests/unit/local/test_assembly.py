import json
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local.assembly import Report, Stack, derive, stacks
from constructs_lib.local.errors import LocalCloudError

KNOWN = frozenset({"AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::CloudWatch::Alarm", "AWS::ApiGatewayV2::Stage"})
PROBE = {"Type": "AWS::Route53::HealthCheck", "Properties": {}}
ARN = "arn:aws:left-out-of-the-local-cloud:::Probe"
NAME = "left-out-of-the-local-cloud-Probe"


def assembly(folder: Path, resources: dict[str, Any], **sections: Any) -> Path:
    """A cloud assembly with one stack of *resources*."""
    folder.mkdir()
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/eu-west-1",
        "properties": {
            "templateFile": "Orders.template.json",
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
        },
    }
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": {"Orders": artifact}}))
    (folder / "Orders.template.json").write_text(json.dumps({"Resources": resources, **sections}))
    return folder


def derived(tmp_path: Path, resources: dict[str, Any], **sections: Any) -> tuple[dict[str, Any], Report]:
    source = assembly(tmp_path / "source", resources, **sections)
    report = derive(source, tmp_path / "copy", deployable=KNOWN)
    template: dict[str, Any] = json.loads((tmp_path / "copy" / "Orders.template.json").read_text())
    return template, report


def test_what_the_emulator_does_not_know_is_left_out_and_reported(tmp_path: Path) -> None:
    """The copy lacks it; the report names it, the reason, and that nothing does its work."""
    template, report = derived(tmp_path, {"Probe": PROBE, "Queue": {"Type": "AWS::SQS::Queue"}})

    assert list(template["Resources"]) == ["Queue"]
    (item,) = report.left_out
    assert (item.template, item.logical_id, item.resource_type) == ("Orders", "Probe", "AWS::Route53::HealthCheck")
    text = "\n".join(report.lines())
    assert "Probe (AWS::Route53::HealthCheck): the emulator does not know the type; nothing stands in for it" in text


def test_the_assembly_itself_is_not_touched(tmp_path: Path) -> None:
    """What was synthesized stays as it was, byte for byte; only the copy changes."""
    source = assembly(tmp_path / "source", {"Probe": PROBE})
    before = (source / "Orders.template.json").read_bytes()

    derive(source, tmp_path / "copy", deployable=KNOWN)

    assert (source / "Orders.template.json").read_bytes() == before
    assert (tmp_path / "copy" / "Orders.template.json").read_bytes() != before


@pytest.mark.parametrize(
    ("reference", "placeholder"),
    [
        ({"Ref": "Probe"}, NAME),
        ({"Fn::GetAtt": ["Probe", "HealthCheckId"]}, NAME),
        ({"Fn::GetAtt": ["Probe", "TargetArn"]}, ARN),
        ({"Fn::GetAtt": "Probe.Arn"}, ARN),
        ({"Fn::Sub": "a ${Probe} b ${Queue} ${!Probe}"}, {"Fn::Sub": f"a {NAME} b ${{Queue}} ${{!Probe}}"}),
        (
            {"Fn::Sub": ["${Probe.Arn} ${x}", {"x": {"Ref": "Probe"}}]},
            {"Fn::Sub": [f"{ARN} ${{x}}", {"x": NAME}]},
        ),
        ({"Fn::Join": ["-", ["a", {"Ref": "Probe"}]]}, {"Fn::Join": ["-", ["a", NAME]]}),
        ({"Ref": "Probed"}, {"Ref": "Probed"}),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": ["Queue", "Arn"]}),
    ],
)
def test_a_reference_to_what_is_left_out_gets_a_placeholder(tmp_path: Path, reference: Any, placeholder: Any) -> None:
    """The rest of the template deploys: whatever form a reference takes, a text stands in its place."""
    user = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": reference}}

    template, report = derived(tmp_path, {"Probe": PROBE, "User": user})

    assert template["Resources"]["User"]["Properties"]["QueueName"] == placeholder
    assert report.left_out[0].referred_to_by == (("User",) if placeholder != reference else ())


def test_outputs_and_order_do_without_what_is_left_out(tmp_path: Path) -> None:
    """An output names a placeholder and is reported; a DependsOn just loses the entry."""
    queue = {"Type": "AWS::SQS::Queue", "DependsOn": ["Probe", "Other"]}
    single = {"Type": "AWS::SQS::Queue", "DependsOn": "Probe"}

    template, report = derived(
        tmp_path, {"Probe": PROBE, "Queue": queue, "Single": single}, Outputs={"Id": {"Value": {"Ref": "Probe"}}}
    )

    assert template["Outputs"]["Id"]["Value"] == NAME
    assert template["Resources"]["Queue"]["DependsOn"] == ["Other"]
    assert template["Resources"]["Single"]["DependsOn"] == []
    assert report.left_out[0].referred_to_by == ("Id",)


def test_custom_resources_stay_unless_they_are_known_to_fail(tmp_path: Path) -> None:
    """A stranger's own custom resource is deployed; one whose function cannot run here is left out, with the reason."""
    template, report = derived(
        tmp_path, {"Own": {"Type": "Custom::Own"}, "Call": {"Type": "Custom::AWS", "Properties": {}}}
    )

    assert list(template["Resources"]) == ["Own"]
    assert "SDK for JavaScript" in report.left_out[0].reason


def test_an_alarm_on_metric_math_is_left_out_and_others_stay(tmp_path: Path) -> None:
    """The emulator refuses it, and its stack with it."""
    template, report = derived(
        tmp_path,
        {
            "Share": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": []}},
            "Count": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "n"}},
        },
    )

    assert list(template["Resources"]) == ["Count"]
    assert [(each.logical_id, "metric math" in each.reason) for each in report.left_out] == [("Share", True)]


def test_a_transform_keeps_its_own_types(tmp_path: Path) -> None:
    """Types that a transform turns into others are not the emulator's to know."""
    template, _ = derived(
        tmp_path, {"F": {"Type": "AWS::Serverless::Function"}}, Transform="AWS::Serverless-2016-10-31"
    )

    assert "F" in template["Resources"]


def test_what_behaves_differently_is_reported_where_it_is_used(tmp_path: Path) -> None:
    """The report tells about the types an app uses, and about an option only where it is set."""
    _, report = derived(
        tmp_path,
        {"Alarm": {"Type": "AWS::CloudWatch::Alarm"}, "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {}}},
    )

    assert list(report.differences) == ["AWS::CloudWatch::Alarm"]
    assert any("its state means nothing here" in line for line in report.lines())


def test_all_that_is_different_about_a_type_is_reported(tmp_path: Path) -> None:
    """What holds for each resource of it, and for each option that one of them sets; not for options nobody sets."""
    known = frozenset({"AWS::Events::Rule"})
    scheduled = {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 minute)"}}
    source = assembly(tmp_path / "source", {"Scheduled": scheduled, "Plain": {"Type": "AWS::Events::Rule"}})

    report = derive(source, tmp_path / "copy", deployable=known)

    text = report.differences["AWS::Events::Rule"]
    assert text.startswith("an event that cannot be handed to its target")
    assert "; ScheduleExpression: up to a second late" in text


def test_templates_inside_function_code_are_left_alone(tmp_path: Path) -> None:
    """A file in an asset is the app's, whatever it is called."""
    source = assembly(tmp_path / "source", {})
    (source / "asset.1").mkdir()
    (source / "asset.1" / "x.template.json").write_text("not JSON")

    derive(source, tmp_path / "copy", deployable=KNOWN)

    assert (tmp_path / "copy" / "asset.1" / "x.template.json").read_text() == "not JSON"


def test_stacks_of_stages_are_found(tmp_path: Path) -> None:
    """A stage is an assembly within the assembly; its stacks count like any other."""
    outer = tmp_path / "outer"
    outer.mkdir()
    assembly(outer / "assembly-Prod", {})
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    (outer / "manifest.json").write_text(json.dumps({"artifacts": {"Prod": nested}}))

    assert stacks(outer) == (Stack(name="Orders", account=None, region="eu-west-1", qualifier="hnb659fds"),)


def test_what_is_no_assembly_is_named(tmp_path: Path) -> None:
    """A wrong folder is one clear sentence."""
    with pytest.raises(LocalCloudError, match="is not a cloud assembly"):
        derive(tmp_path, tmp_path / "copy", deployable=KNOWN)


def test_a_second_copy_replaces_the_first_but_for_packed_assets(tmp_path: Path) -> None:
    """Nothing of an earlier app is deployed again; what the CLI packed for it need not be packed again."""
    copy = tmp_path / "copy"
    derive(assembly(tmp_path / "first", {"Queue": {"Type": "AWS::SQS::Queue"}}), copy, deployable=KNOWN)
    (copy / ".cache").mkdir()
    (copy / ".cache" / "1.zip").touch()
    (copy / "assembly-Old").mkdir()
    (copy / "Old.template.json").touch()

    derive(assembly(tmp_path / "second", {}), copy, deployable=KNOWN)

    assert json.loads((copy / "Orders.template.json").read_text())["Resources"] == {}
    assert sorted(path.name for path in copy.iterdir()) == [".cache", "Orders.template.json", "manifest.json"]
    assert (copy / ".cache" / "1.zip").exists()
