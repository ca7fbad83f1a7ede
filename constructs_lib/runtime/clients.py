"""How the runtime calls AWS: botocore's clients, with short time limits, for a consumer keeps only seconds free before
its deadline.

botocore alone, without boto3: its resource layer and transfer manager take longer to import than a consumer's own code,
and nothing here uses them.
"""

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, overload

from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_kinesis.client import KinesisClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_stepfunctions.client import SFNClient

# Two tries in seconds; what fails after them is delivered again anyway.
QUICK = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# For questions that the work of a whole invocation waits for, and can go on without an answer to.
PROMPT = Config(connect_timeout=1, read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 2})

# Clients may be used by several threads at once, but a session may not make two at a time.
_making = Lock()


@overload
def client(service: Literal["dynamodb"], config: Config = ...) -> "DynamoDBClient": ...
@overload
def client(service: Literal["kinesis"], config: Config = ...) -> "KinesisClient": ...
@overload
def client(service: Literal["s3"], config: Config = ...) -> "S3Client": ...
@overload
def client(service: Literal["secretsmanager"], config: Config = ...) -> "SecretsManagerClient": ...
@overload
def client(service: Literal["sqs"], config: Config = ...) -> "SQSClient": ...
@overload
def client(service: Literal["stepfunctions"], config: Config = ...) -> "SFNClient": ...
def client(service: str, config: Config = QUICK) -> Any:
    """A new client of *service*; region, endpoint and credentials come from the environment, as on AWS.

    All clients share one session, so that service models and endpoint rules are read once.

    Args:
        service: Name of the service, as botocore has it.
        config: Time limits and tries. Default: `QUICK`.

    Returns:
        The client, which any thread may use.
    """
    with _making:
        return _session().create_client(service, config=config)


@cache
def _session() -> Session:
    return Session()
