"""What ingest needs to know of its surroundings."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lambdas.shared.environment import MissingSettingError, required

AWS_SNS = "https://sns.{region}.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one environment.

    Attributes:
        region: Where this function runs.
        tenants_table: Name of the tenants table.
        events_queue_url: Queue of accepted events.
        sideline_queue_url: Queue of accepted events that must not delay others. Default: the same queue.
        certificate_origin: The only place signing certificates and subscription confirmations may be fetched from;
            `{region}` stands for the topic's region. Default: SNS itself.
    """

    region: str
    tenants_table: str
    events_queue_url: str
    certificate_origin: str = AWS_SNS
    sideline_queue_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read AWS_REGION, TENANTS_TABLE, EVENTS_QUEUE_URL, SIDELINE_QUEUE_URL and SNS_CERTIFICATE_ORIGIN.

        Raises:
            MissingSettingError: One is missing, or the origin is neither HTTPS nor this machine.
        """
        origin = environment.get("SNS_CERTIFICATE_ORIGIN") or AWS_SNS
        address = urlsplit(origin.replace("{region}", "region"))
        on_this_machine = address.hostname in ("127.0.0.1", "localhost")
        allowed = ("https", "http") if on_this_machine else ("https",)
        if address.scheme not in allowed or not re.fullmatch(r"[^\s?#@]+", origin):
            raise MissingSettingError(
                f"SNS_CERTIFICATE_ORIGIN must be an https address without query or user, got {origin!r}; "
                "plain http is for 127.0.0.1 only"
            )
        return cls(
            region=required(environment, "AWS_REGION"),
            tenants_table=required(environment, "TENANTS_TABLE"),
            events_queue_url=required(environment, "EVENTS_QUEUE_URL"),
            certificate_origin=origin.rstrip("/"),
            sideline_queue_url=environment.get("SIDELINE_QUEUE_URL"),
        )
