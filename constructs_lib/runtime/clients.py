"""How the runtime calls AWS: botocore's clients, with short time limits, for a consumer keeps only seconds free before
its deadline.

botocore alone, without boto3: its resource layer and transfer manager take longer to import than a consumer's own code,
and nothing here uses them. For the same reason a client is made when it is first used: a consumer that buries no message
needs none for its dead letters.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from botocore.config import Config
from botocore.loaders import Loader
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

Service = Literal["dynamodb", "kinesis", "s3", "secretsmanager", "sqs", "stepfunctions"]
"""What functions may call, by botocore's names."""


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
def client(service: Service, config: Config = QUICK) -> Any:
    """A client of *service*, made when it is first used; any thread may use it.

    Region, endpoint and credentials come from the environment, as on AWS. All clients share one session, so that what
    they have in common is read once.

    Args:
        service: Name of the service.
        config: Time limits and tries. Default: `QUICK`.
    """
    return _OnFirstUse(service, config)


class _OnFirstUse:
    def __init__(self, service: Service, config: Config) -> None:
        self._service = service
        self._config = config
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            # A session may not make two clients at a time.
            with _making:
                if self._made is None:
                    with _no_collection():
                        self._made = _session().create_client(self._service, config=self._config)
        return getattr(self._made, name)


_making = Lock()


@contextmanager
def _no_collection() -> Iterator[None]:
    # Models are megabytes of objects that all stay: the collector would look through them again and again for nothing.
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@cache
def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _KnownServices())
    return session


class _KnownServices(Loader):
    """Reads botocore's data without looking through the folders of its 400 services first to see what there is."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        """Name the services that clients are made of; each has a model and endpoint rules in every botocore."""
        return list(get_args(Service))
