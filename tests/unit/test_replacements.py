"""A change that would replace a stream, or what remembers how far it was read, is refused."""

from copy import deepcopy
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from constructs_lib.isolated_dependency_stream import CallPolicy, IsolatedDependencyStream, StreamCapacity
from constructs_lib.testing.replacements import KEPT, identities, replacements
from constructs_lib.testing.snapshots import scrub
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return synthesized(tmp_path_factory.mktemp("functions"))


def synthesized(folder: Any, *, name: str = "slack", **options: Any) -> dict[str, Any]:
    stack = new_stack()
    notify = consumer(stack, "Notify", source_folder(folder), reserved_concurrency=20)
    IsolatedDependencyStream(stack, name, consumer=notify, **options)
    return dict(cdk.assertions.Template.from_stack(stack).to_json())


def of_type(template: dict[str, Any], kind: str) -> dict[str, Any]:
    (resource,) = (each for each in template["Resources"].values() if each["Type"] == kind)
    return dict(resource)


@pytest.mark.requirement("LIB-06")
def test_what_can_be_changed_in_place_is_let_through(template: dict[str, Any], tmp_path: Any) -> None:
    """Every option of the construct, and everything that is new."""
    changed = synthesized(
        tmp_path,
        capacity=StreamCapacity.on_demand(),
        retention=Duration.days(14),
        hold_at_most=Duration.days(2),
        batch_size=7,
        parallelization=3,
        calls=CallPolicy(at_once=1),
    )
    assert replacements(template, changed) == []
    assert replacements({"Resources": {}}, template) == []


@pytest.mark.requirement("LIB-06")
def test_another_name_for_the_dependency_is_refused(template: dict[str, Any], tmp_path: Any) -> None:
    """Everything of the old name would go, records and positions included."""
    found = replacements(template, synthesized(tmp_path, name="chat"))
    assert sorted(sentence.split()[0] for sentence in found) == [
        "AWS::DynamoDB::Table",
        "AWS::Kinesis::Stream",
        "AWS::Lambda::EventSourceMapping",
        "AWS::S3::Bucket",
    ]
    assert all("would be deleted: its logical id is gone" in sentence for sentence in found)


@pytest.mark.requirement("LIB-06")
@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("AWS::Kinesis::Stream", {"Name": "slack"}, 'Name was not set and is now "slack"'),
        (
            "AWS::Lambda::EventSourceMapping",
            {"StartingPosition": "LATEST"},
            'StartingPosition was "TRIM_HORIZON" and is now "LATEST"',
        ),
        (
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": "arn:aws:kinesis:eu-west-1:1:stream/other"},
            'is now "arn:aws:kinesis:eu-west-1:1:stream/other"',
        ),
        ("AWS::DynamoDB::Table", {"KeySchema": []}, "KeySchema was ["),
    ],
)
def test_a_property_that_cannot_be_changed_in_place_is_refused(
    kind: str, change: dict[str, Any], sentence: str, template: dict[str, Any]
) -> None:
    """By what it was and what it is now."""
    changed = deepcopy(template)
    of_type(changed, kind)["Properties"].update(change)
    (found,) = replacements(template, changed)
    assert found.startswith(f"{kind} ")
    assert "would be replaced" in found
    assert sentence in found


@pytest.mark.requirement("LIB-06")
def test_another_type_under_the_same_id_is_refused(template: dict[str, Any]) -> None:
    """CloudFormation would make a new one."""
    changed = deepcopy(template)
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::DynamoDB::Table":
            resource["Type"] = "AWS::DynamoDB::GlobalTable"
    (found,) = replacements(template, changed)
    assert "would be replaced: it is now AWS::DynamoDB::GlobalTable" in found


def test_snapshots_and_kept_identities_serve_as_what_is_deployed(template: dict[str, Any], tmp_path: Any) -> None:
    """Both hold enough to compare with."""
    gone = synthesized(tmp_path, name="chat")
    for before in (scrub(template), {"Resources": identities(template)}, identities(template)):
        assert replacements(before, template) == []
        assert len(replacements(before, gone)) == 4


@pytest.mark.parametrize("kind", KEPT)
def test_the_list_of_properties_is_that_of_the_schemas(kind: str) -> None:
    """CloudFormation says in each type's schema what it cannot change in place, always or on conditions."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    pointers = [*schema.get("createOnlyProperties", []), *schema.get("conditionalCreateOnlyProperties", [])]
    assert set(KEPT[kind]) == {pointer.removeprefix("/properties/") for pointer in pointers}
