"""What the emulator cannot deploy although it does not say so, and what it deploys but does differently from AWS.

Found by trying it out; each entry holds for the release that the emulator's lock names.
"""

from typing import Final

NEEDS_JAVASCRIPT_SDK = "its function needs AWS's SDK for JavaScript, which Lambda brings and this machine does not"

UNDEPLOYABLE: Final = {
    "Custom::AWS": NEEDS_JAVASCRIPT_SDK,
    "Custom::CrossRegionExportReader": NEEDS_JAVASCRIPT_SDK,
    "Custom::CrossRegionExportWriter": NEEDS_JAVASCRIPT_SDK,
    "Custom::LogRetention": NEEDS_JAVASCRIPT_SDK,
    "Custom::CDKBucketDeployment": "its function needs the AWS CLI from a layer, and layers are not mounted on /opt",
}
"""Type to reason: accepted at first, then fails and takes its stack along."""

STAND_INS: Final = {
    "Custom::LogRetention": "none is needed: logs go when the local cloud stops",
}
"""Type to what does its work when it is left out."""

DIFFERENCES: Final = (
    ("AWS::ApiGatewayV2::Api", "CorsConfiguration", "CORS is not configured: a preflight request is answered with 403"),
    ("AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", "throttling is not enforced"),
    (
        "AWS::CloudWatch::Alarm",
        None,
        "evaluated only when a metric is put, and without regard to dimensions: its state means nothing here",
    ),
    (
        "AWS::DynamoDB::GlobalTable",
        None,
        "replicas follow by their streams, on this side of DynamoDB: its ReplicationLatency metric stays empty",
    ),
    (
        "AWS::Events::Rule",
        None,
        "a failed delivery is not retried and reaches no dead-letter queue; one to another region does not arrive",
    ),
    (
        "AWS::IAM::Role",
        None,
        "policies are stored, not enforced: a missing grant is not noticed; each region holds the roles of its own "
        "stacks, so that a list shows those of the home region only",
    ),
    (
        "AWS::Lambda::Function",
        None,
        "runs on this machine's Python and processor whatever runtime and architecture it names; memory is not limited",
    ),
    ("AWS::Lambda::Alias", "RoutingConfig", "weights are ignored: every request goes to the primary version"),
    ("AWS::Logs::MetricFilter", None, "stored, never applied"),
    ("AWS::Pipes::Pipe", None, "only from a DynamoDB stream to SNS or Step Functions, without filter or enrichment"),
    (
        "AWS::Route53::RecordSet",
        None,
        "its name is answered by the front door, over HTTP and to this machine only, not by a name server; each region "
        "holds the records of its own stacks, so that a list shows those of the home region only",
    ),
    (
        "AWS::S3::Bucket",
        None,
        "one in another region is not found there rather than redirected to, and a list shows those of one region",
    ),
    ("AWS::Scheduler::Schedule", None, "up to ten seconds late, without retry or dead-letter queue"),
    (
        "AWS::SNS::Subscription",
        None,
        "a failed delivery is not retried and reaches no dead-letter queue; one to another region does not arrive",
    ),
    ("AWS::SQS::Queue", None, "message groups of a standard queue have no effect on its order"),
    (
        "AWS::StepFunctions::StateMachine",
        None,
        "the machine's time limit, heartbeats, jitter and the cap on a retry's delay are ignored; what it calls does "
        "not pass where operations are disturbed",
    ),
    ("AWS::WAFv2::WebACL", None, "stored, not enforced"),
)
"""Type, the property it takes to matter (None: always), and what is different."""
