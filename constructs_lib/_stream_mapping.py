"""How Lambda hands a stream to its consumer: without limit, unsplit, one by one, and what is too old to a bucket."""

from typing import Any, cast

import jsii
from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct


def stream_mapping(
    scope: Construct,
    consumer: lambda_.Function,
    stream_arn: str,
    bucket: s3.IBucket,
    *,
    batch_size: int,
    parallelization: int,
    hold_at_most: Duration,
) -> lambda_.EventSourceMapping:
    """Have Lambda invoke *consumer* with the records of a stream, from its beginning.

    Lambda tries again without limit and does not split batches: the runtime bounds attempts by itself, and a limit here
    would count records that are held for an outage too. What has waited for *hold_at_most* goes to the bucket.
    """
    mapping = lambda_.EventSourceMapping(
        scope,
        "Mapping",
        target=consumer,
        event_source_arn=stream_arn,
        starting_position=lambda_.StartingPosition.TRIM_HORIZON,
        batch_size=batch_size,
        parallelization_factor=parallelization,
        report_batch_item_failures=True,
        bisect_batch_on_error=False,
        retry_attempts=-1,
        on_failure=_OnFailure(bucket),
        # Without these Lambda counts neither what it put into the quarantine nor what it dropped.
        metrics_config=lambda_.MetricsConfig(metrics=[lambda_.MetricType.EVENT_COUNT]),
    )
    # CDK's own option would read a duration that is resolved later.
    resource = cast("lambda_.CfnEventSourceMapping", mapping.node.default_child)
    resource.maximum_record_age_in_seconds = hold_at_most.to_seconds()
    return mapping


@jsii.implements(lambda_.IEventSourceDlq)
class _OnFailure:
    """A bucket as on-failure destination, without the rights to read and delete that CDK's own class would grant."""

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def bind(self, *_target: Any) -> lambda_.DlqDestinationConfig:
        return lambda_.DlqDestinationConfig(destination=self._bucket.bucket_arn)
