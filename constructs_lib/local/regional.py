"""One emulator process per region behind one router: what a region is on this machine.

The same account in all of them. A region that is lost is a process group that is stopped, functions included: nothing
in it moves, its data stays in its memory, and the router resets every connection to it at once.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from constructs_lib.local import ports
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.faults.model import Fault, Partition, RegionLost
from constructs_lib.local.router.process import Router
from constructs_lib.local.router.table import OperationFault, Table

_GLOBAL_HOME = "us-east-1"


class Regions:
    """The emulators and their router.

    Args:
        directory: Where they keep their state and logs.
        port: The port of the router; 0 picks a free one.
        region: The region that is there from the beginning.
        function_environment: Variables that functions find in all of them, unless they set them themselves.
        progress: Called with a line of text before something slow.

    Attributes:
        url: Where AWS answers.
        inner_url: The same for what stands in for the inside of AWS, which faults of operations do not reach.
        port: The port of *url*.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        region: str,
        function_environment: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._function_environment = function_environment
        self._progress = progress
        self._router = Router(directory / "router", port=port)
        self.url = self._router.url
        self.port = self._router.port
        self._home = region
        self._inner_port = ports.free()
        self.inner_url = f"http://{ports.HOST}:{self._inner_port}"
        self._emulators: dict[str, Emulator] = {}
        self._origins: dict[int, str] = {}
        self._faults: Mapping[str, Fault] = {}
        self._control_port: int | None = None
        self._running = ExitStack()
        self._changing = threading.Lock()

    def start(self) -> None:
        """Start the router and one emulator, which serves everything until more regions are asked for.

        Raises:
            LocalCloudError: If a port or the directory is in use, or something does not start; nothing runs then.
        """
        with ExitStack() as starting:
            first = self._add(self._home, "emulator")
            self._router.start(self._table())
            starting.callback(self._router.stop)
            first.start()
            starting.callback(first.stop)
            self._running = starting.pop_all()

    def spread(self, regions: Sequence[str]) -> None:
        """Have an emulator for each of *regions*; the first one serves that of global services from now on.

        Raises:
            LocalCloudError: If one does not start.
        """
        home = _GLOBAL_HOME if _GLOBAL_HOME in regions else next(iter(regions), self._home)
        self._emulators = {home: self._emulators[self._home]}
        self._origins = dict.fromkeys(self._origins, home)
        self._home = home
        others = [self._add(region, f"emulator-{region}") for region in dict.fromkeys(regions) if region != home]
        # Their functions need somewhere to call before they start.
        self._router.tell(self._table())
        for emulator in others:
            self._running.callback(emulator.stop)
        with ThreadPoolExecutor(max(1, len(others))) as pool:
            for started in [pool.submit(emulator.start) for emulator in others]:
                started.result()

    def control_at(self, port: int) -> None:
        """Pass what is asked of `/_resilience/` on to *port*."""
        self._control_port = port
        self._router.tell(self._table())

    def apply(self, faults: Mapping[str, Fault]) -> None:
        """Make exactly *faults* happen, as far as they concern processes and calls."""
        with self._changing:
            before, after = _lost(self._faults), _lost(faults)
            self._faults = faults
            for region in before - after:
                self._emulators[region].resume()
            # Those who wait for an answer are told before it can no longer come.
            self._router.tell(self._table())
            for region in after - before:
                self._emulators[region].suspend()

    def break_functions(self, faults: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Have exactly these functions be broken: region, then name, to mode and options."""
        for region, emulator in self._emulators.items():
            emulator.break_functions(faults.get(region, {}))

    def check(self) -> None:
        """Do nothing while everything runs; a region that is lost counts as running.

        Raises:
            LocalCloudError: If the router or an emulator has ended by itself.
        """
        for part in self._parts():
            part.check()

    def stop(self) -> None:
        """End everything."""
        self._running.close()

    @property
    def home(self) -> str:
        """The region that global services live in."""
        return self._home

    @property
    def names(self) -> tuple[str, ...]:
        """Every region that has an emulator."""
        return tuple(self._emulators)

    def direct_url(self, region: str) -> str:
        """Where the emulator of *region* itself answers: for what it holds of services that are global on AWS."""
        return self._emulators[region].url

    def _parts(self) -> Iterator[Router | Emulator]:
        return chain([self._router], self._emulators.values())

    def _add(self, region: str, name: str) -> Emulator:
        origin = ports.free()
        self._origins[origin] = region
        emulator = self._emulators[region] = Emulator(
            self._directory / name,
            port=0,
            endpoint_url=f"http://{ports.HOST}:{origin}",
            function_environment=self._function_environment,
            progress=self._progress,
        )
        return emulator

    def _table(self) -> Table:
        lost = _lost(self._faults)
        return Table(
            home=self._home,
            regions={region: emulator.port for region, emulator in self._emulators.items()},
            origins=self._origins,
            inner_port=self._inner_port,
            lost=frozenset(lost),
            stopped=tuple(group for region in sorted(lost) if (group := self._emulators[region].group)),
            partitions=frozenset(fault.regions for fault in self._faults.values() if isinstance(fault, Partition)),
            disturbances={
                fault_id: fault for fault_id, fault in self._faults.items() if isinstance(fault, OperationFault)
            },
            control_port=self._control_port,
        )


def _lost(faults: Mapping[str, Fault]) -> set[str]:
    return {fault.region for fault in faults.values() if isinstance(fault, RegionLost)}
