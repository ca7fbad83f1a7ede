"""AWS clients of the mapping runner: one per service and region, shared by its threads."""

import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

CALL_FAILED = (ClientError, BotoCoreError, ResponseParserError)
"""What a call may raise: a refusal, no connection, or half an answer of a service that is just going down."""

# The longest a function may run is 900 s (Lambda quotas); an invocation is never given up before that.
_INVOCATION_TIMEOUT = 910
_TIMEOUT = 10


class Clients:
    """Clients for one endpoint.

    Args:
        endpoint_url: Where AWS is reached.
        access_key_id: Names the account to the emulator.
        secret_access_key: Not checked by the emulator.
    """

    def __init__(self, endpoint_url: str, *, access_key_id: str, secret_access_key: str) -> None:
        self._endpoint_url = endpoint_url
        # Typed loosely: service names are not known before run time here.
        self._session: Any = boto3.Session(
            aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key, region_name="us-east-1"
        )
        self._clients: dict[tuple[str, str], Any] = {}
        # Making a client is not thread-safe; using one is.
        self._lock = threading.Lock()

    def get(self, service: str, region: str) -> Any:
        """The client of *service* in *region*."""
        with self._lock:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        connect_timeout=2,
                        read_timeout=_INVOCATION_TIMEOUT if service == "lambda" else _TIMEOUT,
                        # Retries are the mapping's business: those of the SDK would not be seen by it.
                        retries={"total_max_attempts": 1},
                        max_pool_connections=64,
                        # A proxy in the environment is for the outside, not for this machine.
                        proxies={},
                    ),
                )
            return self._clients[key]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
