"""Refuses changes that would replace what holds data, or what remembers how far it is.

CloudFormation makes a resource anew when its logical id, its type or certain properties change. For most that costs a
moment; but a stream loses its records that way, an event source mapping begins to read anew, from the start or from the
end, and a state machine loses its running executions. A change like that belongs into a migration of its own.
"""

import json
from collections.abc import Mapping
from typing import Any

Template = Mapping[str, Any]

# The properties that CloudFormation cannot change in place ("Update requires: Replacement" in its reference). A test
# compares them with the resource types' own schemas.
KEPT: Mapping[str, tuple[str, ...]] = {
    "AWS::DynamoDB::GlobalTable": ("TableName", "KeySchema", "LocalSecondaryIndexes", "GlobalTableSourceArn"),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "ImportSourceSpecification"),
    "AWS::Kinesis::Stream": ("Name",),
    "AWS::Lambda::EventSourceMapping": (
        "EventSourceArn",
        "StartingPosition",
        "StartingPositionTimestamp",
        "SelfManagedEventSource",
    ),
    "AWS::S3::Bucket": ("BucketName", "BucketNamePrefix", "BucketNamespace"),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
    "AWS::SecretsManager::Secret": ("Name",),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "StateMachineType"),
}


def identities(template: Template) -> dict[str, dict[str, Any]]:
    """What makes each resource of *template* that must not be replaced the one it is.

    Returns:
        By logical id the type and, of the properties that cannot be changed in place, those that are set. It can be
        written to a file, kept under version control, and handed to `replacements` later.
    """
    return {
        logical_id: {
            "Type": resource["Type"],
            "Properties": {
                name: value for name, value in resource.get("Properties", {}).items() if name in KEPT[resource["Type"]]
            },
        }
        for logical_id, resource in template.get("Resources", {}).items()
        if resource["Type"] in KEPT
    }


def replacements(before: Template, after: Template) -> list[str]:
    """What a change from one template to another would delete or make anew, of all that must not be.

    Args:
        before: What is deployed: a template, a snapshot of one, or the `Resources` that `identities` wrote.
        after: What is about to be deployed.

    Returns:
        One sentence for each: what would happen, and by which change. Empty: everything keeps its identity.
    """
    resources = before.get("Resources", before)
    found = []
    now = after.get("Resources", {})
    for logical_id, was in sorted(identities({"Resources": resources}).items()):
        kind = was["Type"]
        if logical_id not in now:
            found.append(f"{kind} {logical_id} would be deleted: its logical id is gone")
        elif now[logical_id]["Type"] != kind:
            found.append(f"{kind} {logical_id} would be replaced: it is now {now[logical_id]['Type']}")
        else:
            found += [
                f"{kind} {logical_id} would be replaced: {name} was {_short(was['Properties'].get(name))} and is now "
                f"{_short(now[logical_id].get('Properties', {}).get(name))}"
                for name in KEPT[kind]
                if was["Properties"].get(name) != now[logical_id].get("Properties", {}).get(name)
            ]
    return found


def _short(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, sort_keys=True)
