"""Resources that hold data keep their identity: a new logical id is a new, empty resource."""

import pytest

from constructs_lib.testing.assembly import Assembly

KEEPS_DATA = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::Kinesis::Stream",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
# Replacing a mapping loses its position in the stream; replacing a state machine loses its running executions.
KEEPS_POSITION = {"AWS::Lambda::EventSourceMapping", "AWS::StepFunctions::StateMachine"}

# Changing a line here is deciding to leave somebody's data behind. Adding one is not.
IDENTITIES = {
    "Alerting-Global": {
        "AlertsTable3C20DA98",
        "TenantsTable97BAC775",
    },
    "Alerting-us-east-1": {
        "ActionsDeadLettersCBE0E512",
        "ActionsDoneD90DF898",
        "ActionsMapping35CC6E7B",
        "ActionsQueueD26726C3",
        "AlertEscalationStateMachineB4042B3D",
        "EventsDeadLetters8A90034E",
        "EventsDoneACAAD482",
        "EventsMappingA1BAF46A",
        "EventsQueue7396B467",
        "SlackMappingA2A2F61B",
        "SlackQuarantineBucket5A4CD984",
        "SlackSigningD27E225B",
        "SlackStreamE36CD4E8",
        "SlackTokens702ABBC2",
        "TeamsCredentialsE5975082",
        "TeamsMapping7FA01189",
        "TeamsQuarantineBucketDF4BFD3B",
        "TeamsStream9ADD6A54",
    },
}
IDENTITIES["Alerting-eu-west-1"] = IDENTITIES["Alerting-us-east-1"]


@pytest.mark.requirement("LIB-06")
@pytest.mark.parametrize("stack", IDENTITIES)
def test_what_holds_data_keeps_its_logical_id(stack: str, cdk_app: Assembly) -> None:
    """The ids are those that were deployed before, in every region the same."""
    resources = cdk_app.templates[stack]["Resources"]
    assert {name for name, each in resources.items() if each["Type"] in KEEPS_DATA | KEEPS_POSITION} == IDENTITIES[
        stack
    ]


@pytest.mark.requirement("LIB-07")
@pytest.mark.parametrize("stack", IDENTITIES)
def test_what_holds_data_outlives_its_stack(stack: str, cdk_app: Assembly) -> None:
    """Deleting a stack, or replacing a resource by mistake, leaves the data where it is."""
    for name, each in cdk_app.templates[stack]["Resources"].items():
        if each["Type"] in KEEPS_DATA and not is_memory(each):
            # A secret has a fixed name: one that a failed first deployment left behind would make all others fail.
            named = each["Type"] == "AWS::SecretsManager::Secret"
            assert each.get("DeletionPolicy") == ("RetainExceptOnCreate" if named else "Retain"), name
            assert each.get("UpdateReplacePolicy") == "Retain", name


def is_memory(resource: dict[str, object]) -> bool:
    """Whether it only remembers for a while which messages are done."""
    return resource["Type"] == "AWS::DynamoDB::Table"


@pytest.mark.requirement("LIB-09", "MRG-23")
def test_nothing_needs_a_network_of_ones_own(cdk_app: Assembly) -> None:
    """No VPC, subnet or security group, and nothing that names an availability zone, in any template."""
    for template in cdk_app.templates.values():
        assert not [each["Type"] for each in template["Resources"].values() if each["Type"].startswith("AWS::EC2::")]
        assert "VpcConfig" not in str(template)
        assert "AvailabilityZone" not in str(template)
