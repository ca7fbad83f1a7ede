"""The local cloud, put together: a CDK app on this machine, from its source to answering requests."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from constructs_lib.local import running, status
from constructs_lib.local.api_urls import local_url
from constructs_lib.local.assembly import Report, Stack, derive, stacks
from constructs_lib.local.deployment import DEFAULT_ACCOUNT, DEFAULT_REGION, DeployedStack, Deployment, client
from constructs_lib.local.dns.route53 import Route53
from constructs_lib.local.dns.source import read_dns
from constructs_lib.local.effects import Effects
from constructs_lib.local.emulator import deployable_resource_types
from constructs_lib.local.environments import interpreter
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.event_source_mapping.clients import Clients
from constructs_lib.local.event_source_mapping.runner import MappingRunner
from constructs_lib.local.faults.api import FaultsApi
from constructs_lib.local.faults.control import FaultControl
from constructs_lib.local.faults.model import Fault, RegionLost, ThirdPartyFaults
from constructs_lib.local.faults.targets import Targets
from constructs_lib.local.faults.third_parties import FirstWho
from constructs_lib.local.regional import Regions
from constructs_lib.local.regional_extent import regions_of
from constructs_lib.local.replication.runner import GlobalTables
from constructs_lib.local.replication.tables import find_tables
from constructs_lib.local.third_parties.proxy import ThirdParties

DEFAULT_PORT = 4566


class LocalCloud(FaultControl):
    """Run a CDK app on this machine, for as long as the `with` block lasts.

        with LocalCloud(app="python app.py") as cloud:
            url = cloud.local_url(cloud.stack("Orders").outputs["Url"])

    Entering prepares the environments, synthesizes the app, starts an emulator for each region it needs behind one
    router, deploys every stack with the CDK CLI, and starts what the emulator lacks: replicas of global tables, stream
    mappings, health checks and names. What functions call outside goes through a proxy, which can make any host fail.
    Leaving stops all of it in reverse, also when entering failed or was
    interrupted.

    Args:
        app: What the CDK CLI's `--app` takes: the command that runs the app, or the folder of a cloud assembly.
            Default: the command in cdk.json.
        context: Context values for the app, beside those of cdk.json. Default: none.
        directory: Where the app runs. Default: the current directory.
        region: Region of stacks that name none. Default: us-east-1.
        port: Port of AWS on 127.0.0.1; 0 picks a free one. Default: 4566.
        work_directory: Where the local cloud keeps its state, logs and report; nothing in it outlives the next start.
            Default: a folder for this port in the user's cache.
        third_parties: Who carries out faults of third parties, asked in this order, for instance stand-ins; after
            them, the proxy that functions call hosts through. Default: the proxy alone.
        progress: Called with a short line for each step. Default: nobody is told.
    """

    def __init__(
        self,
        *,
        app: str | None = None,
        context: Mapping[str, str] | None = None,
        directory: Path | None = None,
        region: str = DEFAULT_REGION,
        port: int = DEFAULT_PORT,
        work_directory: Path | None = None,
        third_parties: Sequence[ThirdPartyFaults] = (),
        progress: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._app = app
        self._context = dict(context or {})
        self._directory = directory or Path.cwd()
        self._region = region
        self._progress = progress or (lambda _line: None)
        self.work_directory = work_directory or running.default_work_directory(port)
        self._outside = ThirdParties(self.work_directory / "third-parties")
        self._regions = Regions(
            self.work_directory,
            port=port,
            region=region,
            function_environment=self._outside.environment,
            progress=self._progress,
        )
        self.stacks: tuple[DeployedStack, ...] = ()
        self.report = Report()
        self.mappings: MappingRunner | None = None
        self.tables: GlobalTables | None = None
        self.route53: Route53 | None = None
        self.timings: dict[str, float] = {}
        self._effects: Effects | None = None
        self._third_parties = (*third_parties, self._outside)
        self._deployment = self._deployment_to(DEFAULT_ACCOUNT)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            # From here on the `with` block of the caller owns what runs.
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._phase("stop"):
            self._running.close()

    @property
    def endpoint_url(self) -> str:
        """Where every AWS service answers."""
        return self._regions.url

    @property
    def port(self) -> int:
        """The port of that."""
        return self._regions.port

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that hold a stack, in the order of the stacks."""
        return tuple(dict.fromkeys(stack.region for stack in self.stacks))

    def stack(self, name: str) -> DeployedStack:
        """The deployed stack called *name*.

        Raises:
            KeyError: If the app has no such stack.
        """
        return {stack.name: stack for stack in self.stacks}[name]

    def client(self, service: Any, region: str | None = None) -> Any:
        """A boto3 client for *service* in *region* (default: the region of stacks that name none)."""
        return self._deployment.client(service, region)

    def local_url(self, url: str) -> str:
        """Where an API answers here whose default address (`https://<id>.execute-api...`) is *url*.

        Raises:
            LocalCloudError: If *url* is not the default address of an API that is here.
        """
        return local_url(url, self.endpoint_url, self.regions, self.client)

    def status(self) -> dict[str, Any]:
        """How everything is at this moment, as JSON can hold it."""
        faults = self._faults.listed()
        lost = frozenset(fault.region for fault in self.faults().values() if isinstance(fault, RegionLost))
        return {
            "endpoint_url": self.endpoint_url,
            "account": self._deployment.account,
            "regions": [
                {"name": name, "lost": name in lost, "home": name == self._regions.home} for name in self._regions.names
            ],
            "stacks": status.stacks(self.stacks),
            "mappings": status.mappings(self.mappings.status() if self.mappings else ()),
            "queues": status.queues(self.stacks, self._inner.get, lost),
            "tables": status.tables(self.tables.status() if self.tables else ()),
            "route53": self.route53.status() if self.route53 else None,
            "third_parties": status.third_parties(self._outside.status()),
            "faults": faults,
        }

    def check(self) -> None:
        """Do nothing while everything runs.

        Raises:
            LocalCloudError: If the router or an emulator has ended by itself.
        """
        self._regions.check()

    def _start(self, starting: ExitStack) -> None:
        with self._phase("environments"):
            interpreter("emulator", self._progress)
            interpreter("functions", self._progress)
        with ThreadPoolExecutor(1) as background:
            # Asking takes as long as the emulator's own start, and needs no running one.
            deployable = background.submit(deployable_resource_types, self._progress)
            with self._phase("emulator"):
                starting.callback(self._outside.stop)
                starting.callback(self._regions.stop)
                self._regions.start()
                # Not before this work directory is known to be nobody else's.
                self._outside.start()
            with self._phase("synthesis"):
                source, found = self._synthesize()
            with self._phase("assembly"):
                copy = self.work_directory / "assembly"
                self.report = derive(source, copy, deployable=deployable.result())
                running.save_report(self.work_directory, self.report.lines())
        with self._phase("regions"):
            needed = regions_of(found, copy, self._region)
            self._regions.spread(needed)
        with self._phase("bootstrap"):
            environments = list(dict.fromkeys((stack.qualifier, stack.region or self._region) for stack in found))
            self._progress(f"Bootstrapping {', '.join(region for _, region in environments)}")
            self._deployment.bootstrap(environments)
        with self._phase("deployment"):
            self._progress(f"Deploying {len(found)} stacks")
            self.stacks = self._deployment.deploy(copy, found)
        self._start_what_the_emulator_lacks(starting, needed)
        control = FaultsApi(self._faults, self.status)
        starting.callback(control.stop)
        control.start()
        self._regions.control_at(control.port)
        starting.callback(running.withdraw, self.work_directory)
        running.announce(
            self.work_directory,
            running.Running(endpoint_url=self.endpoint_url, account=self._deployment.account, regions=self.regions),
        )

    def _start_what_the_emulator_lacks(self, starting: ExitStack, regions: Sequence[str]) -> None:
        self._inner = Clients(
            self._regions.inner_url,
            access_key_id=self._deployment.account,
            secret_access_key="local",  # noqa: S106 - the emulator does not look at it
        )
        starting.callback(self._inner.close)
        with self._phase("replicas"):
            if tables := find_tables(self.stacks, self.client):
                self.tables = GlobalTables(self._inner.get, tables, regions)
                starting.callback(self.tables.stop)
                self.tables.start()
        with self._phase("mappings"):
            self.mappings = MappingRunner(self.endpoint_url, self.regions, access_key_id=self._deployment.account)
            self.mappings.start()
            starting.callback(self.mappings.stop)
        with self._phase("names"):
            dns = read_dns(self._direct_client, self.regions)
            if dns.zones or dns.health_checks:
                self.route53 = Route53(dns, self.local_url, regions=self.regions)
                starting.callback(self.route53.stop)
                self.route53.start()
        self._effects = Effects(
            regions=self._regions,
            tables=self.tables,
            third_parties=FirstWho(self._third_parties),
            targets=Targets(self.stacks),
            client=self._inner.get,
        )
        self._can_break(regions)

    def _direct_client(self, service: str, region: str) -> Any:
        return client(self._regions.direct_url(region), self._deployment.account, service, region)

    def _apply(self, faults: Mapping[str, Fault]) -> None:
        if self._effects:
            self._effects.change(self._faults.now(), faults)

    def _refuse(self, fault: Fault) -> None:
        if not self._effects:
            raise LocalCloudError("The local cloud does not run yet, so nothing of it can be broken.")
        self._effects.refuse(fault)

    def _synthesize(self) -> tuple[Path, tuple[Stack, ...]]:
        source = self._directory / self._app if self._app else None
        if source is None or not source.is_dir():
            source = self.work_directory / "synthesized"
            self._progress("Synthesizing the app")
            self._deployment.synthesize(self._app, source, context=self._context, directory=self._directory)
        found = stacks(source)
        accounts = {stack.account for stack in found if stack.account}
        if len(accounts) > 1:
            raise LocalCloudError(f"The app spans the accounts {', '.join(sorted(accounts))}; only one can run here.")
        # An app that names its account gets it; the emulator serves any.
        self._deployment = self._deployment_to(next(iter(accounts), DEFAULT_ACCOUNT))
        return source, found

    def _deployment_to(self, account: str) -> Deployment:
        return Deployment(
            self.endpoint_url,
            self.work_directory / "cdk",
            account=account,
            region=self._region,
            progress=self._progress,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = time.monotonic() - started
