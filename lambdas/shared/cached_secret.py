"""Secrets, read from Secrets Manager and kept for a few minutes."""

import json
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.runtime import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS = 300.0

# A value that does not serve may just have been replaced; this bounds how often that is looked into.
REREAD_AFTER_SECONDS = 10.0


class CachedSecret:
    """One secret's current value, for several threads: while one reads it, the others wait.

    Args:
        client: Secrets Manager client of this region.
        secret_id: Name or ARN of the secret.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self, client: "SecretsManagerClient", secret_id: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock
        self._value = ""
        self._read_at: float | None = None
        self._lock = Lock()

    def text(self, *, at_most_old: float = KEPT_SECONDS) -> str:
        """The value, at most *at_most_old* seconds old.

        Raises:
            DependencyUnavailable: It cannot be read. A missing secret and a missing permission count as that too:
                nobody's records can be worked on until an operator has put it right.
        """
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at > at_most_old:
                try:
                    self._value = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
                except (ClientError, BotoCoreError, KeyError) as error:
                    raise DependencyUnavailable(f"secret {self._secret_id} cannot be read: {_cause(error)}") from error
                self._read_at = self._clock()
            return self._value

    def json_object(self, *, at_most_old: float = KEPT_SECONDS) -> dict[str, Any]:
        """The value as a JSON object.

        Raises:
            DependencyUnavailable: It cannot be read or is none.
        """
        text = self.text(at_most_old=at_most_old)
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        # Neither value nor parser's complaint may appear in the message: both hold the secret.
        if not isinstance(value, dict):
            raise DependencyUnavailable(f"secret {self._secret_id} is not a JSON object")
        return value


def _cause(error: Exception) -> str:
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code", "unknown")
    return "it holds no text" if isinstance(error, KeyError) else type(error).__name__
