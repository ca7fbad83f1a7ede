"""Quarantine: what failed stays there until a person decides."""

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from constructs_lib.quarantine import Quarantine
from constructs_lib.testing.findings import findings
from tests.support.synthesis import new_stack, only, resources, statements


@pytest.mark.requirement("LIB-07")
def test_what_failed_outlives_the_stack() -> None:
    """The bucket is retained, keeps every version, and lets nothing expire."""
    stack = new_stack()
    Quarantine(stack, "Quarantine")
    (bucket,) = resources(stack, "AWS::S3::Bucket").values()
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "LifecycleConfiguration" not in bucket["Properties"]


@pytest.mark.requirement("SEC-02")
def test_payloads_are_encrypted_at_rest_and_on_the_way() -> None:
    """S3 encrypts every object, and denies whoever comes without TLS."""
    stack = new_stack()
    Quarantine(stack, "Quarantine")
    bucket = only(stack, "AWS::S3::Bucket")
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    (denied,) = only(stack, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", "s3:*", {"AWS": "*"})
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nobody_outside_sees_a_payload() -> None:
    """Neither a policy nor an access list can make the bucket public."""
    stack = new_stack()
    Quarantine(stack, "Quarantine")
    assert set(only(stack, "AWS::S3::Bucket")["PublicAccessBlockConfiguration"].values()) == {True}


@pytest.mark.requirement("SEC-01")
def test_a_writer_can_only_write() -> None:
    """Whoever puts a payload there, in this account's own bucket, can neither read, list nor delete it."""
    stack = new_stack()
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    Quarantine(stack, "Quarantine").grant_write(role)
    (granted,) = statements(stack)
    (bucket_id,) = resources(stack, "AWS::S3::Bucket")
    assert granted["Action"] == "s3:PutObject"
    assert granted["Resource"] == {"Fn::Join": ["", [{"Fn::GetAtt": [bucket_id, "Arn"]}, "/*"]]}
    assert granted["Condition"] == {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.requirement("LIB-05")
def test_the_bucket_is_public_to_the_app() -> None:
    """Whatever S3 offers can be set on the inner bucket."""
    assert isinstance(Quarantine(new_stack(), "Quarantine").bucket, s3.Bucket)


@pytest.mark.requirement("SEC-01")
def test_a_quarantine_and_its_writer_pass_the_rule_packs(tmp_path: Path) -> None:
    """Nothing is left that AwsSolutions and Serverless object to."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        Quarantine(stack, "Quarantine").grant_write(role)

    assert findings(build, output=tmp_path / "out") == []
