"""DynamoDB's double in a process of its own, milliseconds away, for real clients."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.session import Session

from tests.standins.dynamodb.accounting import READ_DOLLARS, WRITE_DOLLARS

LATENCY_SECONDS = 0.004


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls, and write and read units."""

    calls: int
    writes: float
    reads: float

    @property
    def dollars(self) -> float:
        """For a million times as much."""
        return self.writes * WRITE_DOLLARS + self.reads * READ_DOLLARS


@dataclass(frozen=True, slots=True)
class DistantStore:
    """The running double.

    Attributes:
        url: Where it is.
    """

    url: str

    def spent(self) -> Spent:
        """What was used since the last such question."""
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            told = json.load(answer)
        return Spent(sum(told["calls"].values()), told["writes"], told["reads"])

    def environment(self) -> Mapping[str, str]:
        """Settings that lead a function's clients to it."""
        return {
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }

    def client(self) -> Any:
        """A client of botocore."""
        return Session().create_client(
            "dynamodb",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )


@contextlib.contextmanager
def running(latency_seconds: float = LATENCY_SECONDS) -> Iterator[DistantStore]:
    """Run it."""
    command = [sys.executable, "-m", "tests.standins.dynamodb", str(latency_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield DistantStore(process.stdout.readline().strip())
        process.stdin.close()
