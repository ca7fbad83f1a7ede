"""What the emulator cannot deploy although it does not say so, and what it deploys but does differently from AWS.

Found by trying it out; each entry holds for the release that the emulator's lock names.
"""

from typing import Final

NEEDS_JAVASCRIPT_SDK = "its function needs AWS's SDK for JavaScript, which Lambda brings and this machine does not"

UNDEPLOYABLE: Final = (
    ("AWS::CloudWatch::Alarm", "Metrics", "metric math is refused; an alarm on one metric is taken"),
    ("Custom::AWS", None, NEEDS_JAVASCRIPT_SDK),
    (
        "Custom::CDKBucketDeployment",
        None,
        "its function needs the AWS CLI from a layer, and layers are not mounted on /opt",
    ),
    ("Custom::CrossRegionExportReader", None, NEEDS_JAVASCRIPT_SDK),
    ("Custom::CrossRegionExportWriter", None, NEEDS_JAVASCRIPT_SDK),
    ("Custom::LogRetention", None, NEEDS_JAVASCRIPT_SDK),
)
"""Type, the property that makes it so (None: always), and the reason: its type is known, but it takes its stack along."""

STAND_INS: Final = {
    "Custom::LogRetention": "none is needed: logs go when the local cloud stops",
}
"""Type to what does its work when it is left out."""

_EXPIRY = (
    "an expired item is gone after ten seconds at most, on AWS often not before days: whoever reads must leave it out"
)

DIFFERENCES: Final = (
    ("AWS::ApiGatewayV2::Api", None, "an OPTIONS request reaches no route: without CORS it is answered with 403"),
    ("AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", "throttling is not enforced"),
    (
        "AWS::CloudWatch::Alarm",
        None,
        "evaluated only when a metric is put, and without regard to dimensions: its state means nothing here",
    ),
    ("AWS::CloudWatch::Dashboard", None, "stored; nothing draws it"),
    (
        "AWS::DynamoDB::GlobalTable",
        None,
        "replicas follow by their streams, on this side of DynamoDB: its ReplicationLatency metric stays empty",
    ),
    ("AWS::DynamoDB::GlobalTable", "TimeToLiveSpecification", _EXPIRY),
    ("AWS::DynamoDB::Table", "TimeToLiveSpecification", _EXPIRY),
    (
        "AWS::Events::Rule",
        None,
        "an event that cannot be handed to its target is not tried again and reaches no dead-letter queue; targets are "
        "functions, queues, topics, state machines and buses of its own region: anything else, or elsewhere, is passed over",
    ),
    (
        "AWS::Events::Rule",
        "ScheduleExpression",
        "up to a second late, and later by as much at the next call; operation faults do not reach what it calls",
    ),
    (
        "AWS::IAM::Role",
        None,
        "policies are stored, not enforced: a missing grant is not noticed; each region holds the roles of its own "
        "stacks, so that a list shows those of the home region only",
    ),
    (
        "AWS::Lambda::EventInvokeConfig",
        None,
        "an event that the function fails with is tried again after 1 and 2 seconds, not after 1 and 2 minutes; there is no "
        "destination for those it does not fail with",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        "TumblingWindowInSeconds",
        "windows do not run here: the mapping is there, but reads nothing (`resilience local status` says so too)",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        "MaximumBatchingWindowInSeconds",
        "of a queue it is ignored: a batch is what is there; of a stream it counts",
    ),
    (
        "AWS::Lambda::Function",
        None,
        "runs on this machine's Python and processor whatever runtime and architecture it names; memory is not limited",
    ),
    (
        "AWS::Lambda::Function",
        None,
        "broken on purpose, it is so from its next invocation on, and raises before its own code has begun; a crash leaves "
        "what its process has started beside itself",
    ),
    (
        "AWS::Lambda::Function",
        None,
        "what it calls outside goes through a proxy, in which any host can be made to fail; out of reach are libraries that "
        "ignore proxy settings (urllib3.PoolManager, http.client) or bring certificates of their own, and runtimes other than "
        "Python and provided ones: make the address they call a setting",
    ),
    (
        "AWS::Lambda::Function",
        "DeadLetterConfig",
        "what arrives there has the form that an on-failure destination gets, not that of the event",
    ),
    ("AWS::Lambda::Alias", "RoutingConfig", "weights are ignored: every request goes to the primary version"),
    (
        "AWS::Logs::LogGroup",
        None,
        "what a function writes while an invocation runs is stored when that ends; an alarm's signal from it comes as late",
    ),
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
    (
        "AWS::Scheduler::Schedule",
        None,
        "up to a second late, without retry or dead-letter queue, and at the beginning of a flexible window; what it was to "
        "call while its region was lost it calls once afterwards; calls functions, queues, topics, state machines and buses",
    ),
    (
        "AWS::SNS::Subscription",
        None,
        "a failed delivery is not tried again (but for one to a function, which Lambda tries again) and reaches no "
        "dead-letter queue; one to another region does not arrive; a message sent over HTTP has no valid signature",
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
