"""Quarantine: where payloads go that cannot be processed, to be read, explained and sent again."""

from typing import cast

from aws_cdk import Acknowledgment, RemovalPolicy, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct


class Quarantine(Construct):
    """Keep what failed, with its payload, until a person decides.

    Nothing expires by itself: objects are versioned, the bucket outlives its stack, and only TLS reaches it.

    Defines one S3 bucket.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.

    Attributes:
        bucket: The bucket.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.bucket: s3.IBucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        Validations.of(self.bucket).acknowledge(
            Acknowledgment(
                id="AwsSolutions-S1",
                reason="Server access logs would need a second bucket per dependency; who may read the bucket is "
                "decided by grants, and CloudTrail data events record reads where that is wanted.",
            )
        )

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* put objects, and do nothing else with them."""
        grant = iam.Grant.add_to_principal(
            grantee=grantee,
            # Not the bucket's own grant: that one may also change how long an object is locked.
            actions=["s3:PutObject"],
            resource_arns=[self.bucket.arn_for_objects("*")],
            conditions={"StringEquals": {"s3:ResourceAccount": Stack.of(self).account}},
        )
        principal = grantee.grant_principal
        if isinstance(principal, Construct):
            logical_id = Stack.of(self).get_logical_id(cast("s3.CfnBucket", self.bucket.node.default_child))
            Validations.of(principal).acknowledge(
                Acknowledgment(
                    id=f"AwsSolutions-IAM5[Resource::<{logical_id}.Arn>/*]",
                    reason="Whoever puts a payload into the quarantine names it, so any key in this one bucket.",
                )
            )
        return grant
