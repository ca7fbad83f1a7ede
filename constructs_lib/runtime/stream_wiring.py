"""The real parts of a stream consumer."""

import boto3
from aws_lambda_powertools import Logger

from constructs_lib.runtime.clients import QUICK
from constructs_lib.runtime.observability import PowertoolsWatch
from constructs_lib.runtime.quarantine import S3Quarantine
from constructs_lib.runtime.settings import StreamSettings
from constructs_lib.runtime.stream_consumer import StreamPorts


def from_environment() -> StreamPorts:
    """Make the ports from the function's environment settings."""
    settings = StreamSettings.from_environment()
    logger = Logger()
    logger.append_keys(dependency=settings.dependency)
    return StreamPorts(
        quarantine=S3Quarantine(
            client=boto3.client("s3", config=QUICK),
            bucket=settings.quarantine_bucket,
            dependency=settings.dependency,
        ),
        watch=PowertoolsWatch(logger, namespace=settings.namespace, dimensions={"dependency": settings.dependency}),
    )
