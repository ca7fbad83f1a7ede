"""Where requests go, and which of them are disturbed: what the router is told, and decides by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from constructs_lib.local.router.request import Request

Mode = Literal["throttled", "failed", "slow", "hanging"]

GLOBAL_SERVICES: Final = frozenset({"budgets", "cloudfront", "globalaccelerator", "iam", "organizations", "route53"})
"""Services that are the same everywhere, whatever region a request is signed for; they live in the home region."""

LOOKED_FOR_EVERYWHERE: Final = frozenset({"iam", "route53"})
"""Global services of which each region holds a part: what its stacks made. Home is asked first, then the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFault:
    """An operation of an AWS service does not work as it should.

    Reaches what comes over HTTP: calls of functions, of stream mappings, of tools. What the emulator does inside its
    own process (a state machine that invokes a function, a queue's mapping, a rule's target) it does not reach.

    Attributes:
        service: The service as signatures name it: `dynamodb`, `kinesis`, `states`, `lambda`, ...; `execute-api` for
            the APIs of the app. `*` for each.
        operation: As the API reference names it: `PutItem`. For `execute-api` the HTTP method. Default: each.
        mode: `throttled` and `failed` answer with the service's own error, `slow` holds each request back, `hanging` gives
            no answer until the fault ends.
        region: Where. Default: everywhere.
        by: Seconds by which `slow` holds a request back. Default: 1.
    """

    service: str
    operation: str = "*"
    mode: Mode
    region: str | None = None
    by: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything the router goes by; replaced as a whole when something changes.

    Attributes:
        home: The region of global services and of everything that names no region that is here.
        regions: Region to the port of its emulator.
        origins: Port that the functions of a region call AWS at, to that region.
        inner_port: Port at which nothing is disturbed: for what stands in for the inside of AWS. None if there is none.
        lost: Regions that do not answer.
        stopped: Process groups that are stopped, which nobody else could end if this machine's owner of them is gone.
        partitions: Pairs of regions that do not reach each other.
        disturbances: What does not work as it should, by an id.
        control_port: Where requests to `/_resilience/` go; None if there is nobody.
    """

    home: str
    regions: Mapping[str, int]
    origins: Mapping[int, str] = field(default_factory=dict)
    inner_port: int | None = None
    lost: frozenset[str] = frozenset()
    stopped: tuple[int, ...] = ()
    partitions: frozenset[frozenset[str]] = frozenset()
    disturbances: Mapping[str, OperationFault] = field(default_factory=dict)
    control_port: int | None = None

    def as_json(self) -> dict[str, Any]:
        """This table as JSON can hold it."""
        return {
            "home": self.home,
            "regions": dict(self.regions),
            "origins": {str(port): region for port, region in self.origins.items()},
            "inner_port": self.inner_port,
            "lost": sorted(self.lost),
            "stopped": list(self.stopped),
            "partitions": sorted(sorted(pair) for pair in self.partitions),
            "disturbances": {
                name: {attribute: getattr(each, attribute) for attribute in OperationFault.__slots__}
                for name, each in self.disturbances.items()
            },
            "control_port": self.control_port,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The table that `as_json` gave."""
        return cls(
            home=content["home"],
            regions=content["regions"],
            origins={int(port): region for port, region in content["origins"].items()},
            inner_port=content["inner_port"],
            lost=frozenset(content["lost"]),
            stopped=tuple(content["stopped"]),
            partitions=frozenset(frozenset(pair) for pair in content["partitions"]),
            disturbances={name: OperationFault(**each) for name, each in content["disturbances"].items()},
            control_port=content["control_port"],
        )

    def region(self, request: Request) -> str:
        """The region *request* belongs to; calls of APIs, which say nothing of it, are told apart elsewhere."""
        if request.service in GLOBAL_SERVICES:
            return self.home
        named = request.scope[0] if request.scope else request.named_region
        return named if named and named in self.regions else self.home

    def reachable(self, region: str, origin: str | None) -> bool:
        """Whether a request gets to *region*: from functions in *origin*, or from outside (None)."""
        return region not in self.lost and frozenset((region, origin)) not in self.partitions

    def disturbance(self, request: Request, region: str, body: bytes) -> str | None:
        """The id of what disturbs *request* to *region*, the first that does; None if nothing does."""
        for name, each in self.disturbances.items():
            if (
                each.region in (None, region)
                and each.service in ("*", request.service)
                and each.operation in ("*", request.operation(body))
            ):
                return name
        return None
