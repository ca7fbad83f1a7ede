"""The alerting system on this machine: local cloud, stand-ins for the providers, and demo tenants."""

import json
import secrets
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from constructs_lib.local.cloud import LocalCloud
from lambdas.shared.alert import AlertRow
from lambdas.shared.alert_repository import AlertRepository
from tests.e2e.run.accounting import Home, Shown
from tests.standins.server import StandIns
from tests.standins.third_parties import StandInFaults

ROOT = Path(__file__).resolve().parents[3]
# Five minutes between two levels become ten seconds.
COMPRESSED_WAITS = 1 / 30
# The name under which the nearest healthy region answers; nobody else knows the zone.
DOMAIN = {"name": "alerts.example.com", "hosted_zone_id": "Z0123456789ABCDEFGHIJ", "hosted_zone_name": "example.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTenant:
    """A customer made up for the run.

    Attributes:
        tenant: Its id.
        endpoint: The secret part of its address.
        home: Where its alerts belong.
    """

    tenant: str
    endpoint: str
    home: Home


class System:
    """Everything, for as long as the `with` block lasts.

    Args:
        port: Of the emulator; 0 picks a free one.
        standins_port: Of the stand-ins; 0 picks a free one.
        escalates: Whether alerts that nobody acknowledges call more people, with waits compressed.
        progress: Called with a short line for each step.
        neighbour: Whether there is a second tenant at Slack, with a workspace of its own. Default: no.
        tenant_limits: Events that one tenant may send, instead of the defaults of `configuration.py`. Default: those.

    Attributes:
        cloud: The local cloud.
        standins: The providers.
        tenants: One at each provider, and the neighbour.
    """

    def __init__(
        self,
        *,
        port: int,
        standins_port: int,
        escalates: bool,
        progress: Callable[[str], None],
        neighbour: bool = False,
        tenant_limits: Mapping[str, int] | None = None,
    ) -> None:
        self._port = port
        self._tenant_limits = tenant_limits or {}
        self._escalates = escalates
        self._progress = progress
        self._running = ExitStack()
        self.standins = StandIns(port=standins_port)
        self.tenants: tuple[DemoTenant, ...] = (
            DemoTenant(tenant="acme", endpoint=secrets.token_urlsafe(), home=Home(provider="slack", target="C0ACME")),
            DemoTenant(
                tenant="globex",
                endpoint=secrets.token_urlsafe(),
                home=Home(provider="teams", target="19:globex@thread.v2"),
            ),
        )
        if neighbour:
            home = Home(provider="slack", target="C0INITECH")
            self.tenants = (*self.tenants, DemoTenant(tenant="initech", endpoint=secrets.token_urlsafe(), home=home))

    def __enter__(self) -> Self:
        """Start it all; on an error, or when interrupted, stop again what was started."""
        with ExitStack() as starting:
            starting.enter_context(self.standins)
            self.cloud = LocalCloud(
                context={
                    "target": "local",
                    "standins": self.standins.url,
                    "alerting.domain": json.dumps(DOMAIN),
                    "alerting.tenant_limits": json.dumps(self._tenant_limits),
                },
                directory=ROOT,
                port=self._port,
                third_parties=[StandInFaults(self.standins)],
                progress=self._progress,
            )
            starting.enter_context(self.cloud)
            self._progress("Adding tenants and the providers' secrets")
            self.regions = tuple(region for region in self.cloud.regions if f"Alerting-{region}" in self._names())
            self.standins.interactions_url = {
                region: self.url(region, "/slack/interactions") for region in self.regions
            }
            self._fill_secrets()
            self._add_tenants()
            if self._escalates:
                self._compress_waits()
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it all."""
        self._progress("Stopping")
        self._running.close()

    def url(self, region: str, path: str) -> str:
        """Where *path* of the API of *region* answers, whatever its name leads to."""
        resources = self.cloud.stack(f"Alerting-{region}").resources.values()
        api = next(name for kind, name in resources if kind == "AWS::ApiGatewayV2::Api")
        return self.cloud.local_url(f"https://{api}.execute-api.{region}.amazonaws.com").rstrip("/") + path

    def address_by_name(self, path: str) -> str:
        """Where *path* answers for who sends the `Host` header of `DOMAIN`: in the nearest healthy region."""
        assert self.cloud.route53 is not None
        return f"{self.cloud.route53.url}{path}"

    def homes(self) -> Mapping[str, Home]:
        """Where each tenant's alerts belong."""
        return {tenant.tenant: tenant.home for tenant in self.tenants}

    def rows(self, region: str) -> list[AlertRow]:
        """All rows of all alerts, as *region* holds them."""
        client = self.cloud.client("dynamodb", region)
        pages = client.get_paginator("scan").paginate(TableName="alerting-alerts")
        keys = {item["alert_id"]["S"] for page in pages for item in page["Items"]}
        repository = AlertRepository(client, "alerting-alerts", region)
        # Beside alerts the table holds hints and other helpers, whose keys say what they are.
        return [row for key in sorted(keys) if "#" not in key for row in repository.rows(key)]

    def shown(self) -> list[Shown]:
        """All messages at the providers."""
        return [
            Shown(
                provider=message.provider,
                target=message.target,
                alert_id=message.shows.alert_id,
                version=message.shows.version,
            )
            for message in self.standins.record.messages()
        ]

    def _names(self) -> set[str]:
        return {stack.name for stack in self.cloud.stacks}

    def _fill_secrets(self) -> None:
        values: Mapping[str, Any] = {
            "alerting/slack-tokens": {
                "tenants": {each.tenant: self.standins.slack_tokens_of(each.tenant) for each in self.tenants}
            },
            "alerting/teams-credentials": self.standins.teams_credentials_secret,
            "alerting/slack-signing": self.standins.slack_signing_secret,
        }
        for region in self.regions:
            client = self.cloud.client("secretsmanager", region)
            for name, value in values.items():
                text = value if isinstance(value, str) else json.dumps(value)
                client.put_secret_value(SecretId=name, SecretString=text)

    def _add_tenants(self) -> None:
        client = self.cloud.client("dynamodb", self.regions[0])
        for each in self.tenants:
            for item in (
                {"id": {"S": f"endpoint#{each.endpoint}"}, "tenant": {"S": each.tenant}},
                {
                    "id": {"S": f"tenant#{each.tenant}"},
                    "tenant": {"S": each.tenant},
                    "name": {"S": each.tenant.title()},
                    "provider": {"S": each.home.provider},
                    "channel": {"S": each.home.target},
                    "escalates": {"BOOL": self._escalates},
                },
            ):
                client.put_item(TableName="alerting-tenants", Item=item)

    def _compress_waits(self) -> None:
        request = urllib.request.Request(
            f"{self.cloud.endpoint_url}/_ministack/config",
            data=json.dumps({"stepfunctions._SFN_WAIT_SCALE": COMPRESSED_WAITS}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()
