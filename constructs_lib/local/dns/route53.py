"""Route 53 of the local cloud: health checks that are really carried out, and a front door that obeys them.

    route53 = Route53(dns, cloud.local_url, regions=cloud.regions, port=8053)
    route53.start()
    # curl -H 'Host: api.example.com' -H 'X-Client-Region: eu-west-1' http://127.0.0.1:8053/health
    ...
    route53.stop()

docs/conformance/route53.md maps each rule to AWS's documentation and to its test.
"""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.local.dns.cache import AnswerCache
from constructs_lib.local.dns.distance import REGIONS
from constructs_lib.local.dns.forward import Patience, Request, Response, as_json, forward
from constructs_lib.local.dns.front_door import FrontDoor
from constructs_lib.local.dns.model import Dns, HealthCheck, plain_name
from constructs_lib.local.dns.probe import Limits
from constructs_lib.local.dns.prober import Prober
from constructs_lib.local.dns.selection import Answer, Draw, Selection
from constructs_lib.local.dns.targets import LocalUrl, Targets
from constructs_lib.local.dns.unknowns import Unknowns
from constructs_lib.local.errors import LocalCloudError

STATUS_PATH: Final = "/_resilience/route53"
"""Where the front door tells the status as JSON, whatever the name asked."""

CLIENT_REGION: Final = "X-Client-Region"
"""Header in which a client says where it is."""


class Route53:
    """Runs health checks and answers for the names of *dns*.

    Args:
        dns: Zones, records, health checks and custom domains.
        local_url: Where an API answers here whose default address is given: `LocalCloud.local_url`.
        regions: Regions of the app; clients that do not say where they are, are in the first one.
        port: Port of the front door on 127.0.0.1; 0 picks a free one. Default: 0.
        time_scale: How many times faster than on AWS intervals between health checks and TTLs pass. The time an
            endpoint has for its answer stays as it is. Default: 1.
        limits: Seconds an endpoint has. Default: Route 53's.
        unknowns: The choices for what the documentation leaves open. Default: the usual ones.
        patience: Seconds a client waits for the region it was sent to. Default: 5 to connect, 31 for the answer.
        draw: Chance, between weighted records and between values of one record. Default: the machine's.

    Raises:
        ValueError: If *time_scale* is not positive, or *regions* is empty.
    """

    def __init__(
        self,
        dns: Dns,
        local_url: LocalUrl,
        *,
        regions: Sequence[str],
        port: int = 0,
        time_scale: float = 1.0,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        unknowns: Unknowns = Unknowns(),  # noqa: B008 - immutable
        patience: Patience = Patience(),  # noqa: B008 - immutable
        draw: Draw = random.randrange,
    ) -> None:
        if time_scale <= 0:
            raise ValueError(f"time_scale must be above 0, got {time_scale}; 1 is AWS's own pace")
        if not regions:
            raise ValueError("regions must name at least one region: that of clients that do not say where they are")
        self._dns = dns
        self._regions = tuple(regions)
        self._port = port
        self._time_scale = time_scale
        self._patience = patience
        self._targets = Targets(dns.custom_domains, local_url)
        self._selection = Selection(dns.zones, unknowns, draw)
        self._names = self._selection.names()
        self._cache = AnswerCache()
        self._lock = threading.Lock()
        self._prober = Prober(
            dns.health_checks, self._endpoint, time_scale=time_scale, limits=limits, unknowns=unknowns
        )
        self._door: FrontDoor | None = None

    @property
    def url(self) -> str:
        """Where the front door listens, once it is started."""
        return f"http://127.0.0.1:{self._door.port if self._door else self._port}"

    def start(self) -> None:
        """Open the front door and begin to check health.

        Raises:
            LocalCloudError: If the port is taken.
        """
        self._door = FrontDoor(self._port, self._respond)
        self._prober.start()

    def stop(self) -> None:
        """Close the front door and end all checks. Does nothing where nothing was started."""
        if self._door:
            self._door.close()
            self._door = None
            self._prober.stop()

    def healthy(self) -> dict[str, bool]:
        """The status of every health check by id."""
        return self._prober.healthy()

    def ask(self, name: str, client: str) -> Answer | None:
        """What Route 53 says now to a resolver in region *client* about *name*, without any cache."""
        return self._selection.answer(name, client, self.healthy())

    def status(self) -> dict[str, Any]:
        """Health checks, where each name leads the clients of each region now, and what cannot be stood in for."""
        return {
            "url": self.url,
            "health_checks": [asdict(each) for each in self._prober.status()],
            "names": {name: {region: self._led_to(name, region) for region in self._regions} for name in self._names},
            "limitations": list(self._dns.limitations),
        }

    def _led_to(self, name: str, client: str) -> str:
        answer = self.ask(name, client)
        return self._targets.region(answer.target) if answer else ""

    def _endpoint(self, check: HealthCheck) -> str:
        if not self._selection.answer(check.host, self._regions[0], {}):
            return self._targets.local_url(f"https://{check.host}{check.path}")
        answer = self.ask(check.host, self._regions[0])
        assert answer is not None
        return self._targets.behind(answer.target, check.host, check.path).url

    def _respond(self, request: Request) -> Response:
        if request.target == STATUS_PATH:
            return as_json(200, self.status())
        name = self._asked(request)
        if name is None:
            known = ", ".join(self._names) or "none"
            return as_json(404, {"message": f"send one of these names as Host: {known}"})
        client = request.header(CLIENT_REGION) or self._regions[0]
        if client not in REGIONS:
            return as_json(400, {"message": f"{CLIENT_REGION} must be a region of AWS, got {client!r}"})
        with self._lock:
            answer = self._cache.answer(
                name, client, time.monotonic() * self._time_scale, lambda: self.ask(name, client)
            )
        if answer is None:
            return as_json(502, {"message": f"no record of {name} gives an address"})
        try:
            place = self._targets.behind(answer.target, name, request.target.partition("?")[0])
        except (LocalCloudError, BotoCoreError, ClientError, OSError) as error:
            return as_json(502, {"message": str(error)})
        return forward(request, place.url, place.region, self._patience)

    def _asked(self, request: Request) -> str | None:
        """The name the client wants; its only choice if it names the front door itself."""
        host = plain_name(request.header("Host").rpartition(":")[0] or request.header("Host"))
        if host in self._names:
            return host
        return self._names[0] if host in ("127.0.0.1", "localhost") and len(self._names) == 1 else None
