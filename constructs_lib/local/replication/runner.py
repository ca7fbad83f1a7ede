"""Global tables between the regions of the local cloud, over DynamoDB's public API.

    tables = find_tables(stacks, clients.get)
    replicas = GlobalTables(clients.get, tables, ["us-east-1", "eu-west-1"], lag=0.5)
    replicas.start()
    replicas.pause("us-east-1", "eu-west-1")
    ...
    replicas.stop()

Every replica is a table of its own; what its stream shows is written to the others by PutItem and DeleteItem, so that
their streams show it too.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from constructs_lib.local.replication.machine import PairStatus, Replication
from constructs_lib.local.replication.replica import Replica
from constructs_lib.local.replication.tables import GlobalTable, ensure_replica
from constructs_lib.local.replication.unknowns import Unknowns


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """One replica. *ready* once it exists and is followed; *problem* says why it is not followed just now."""

    region: str
    ready: bool
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One global table: its replicas, and what is on its way between them.

    Attributes:
        name: Name of the table.
        replicas: One for each region.
        pairs: One for each direction between two regions.
        left_out: Regions the table has a replica in, but the local cloud has not.
    """

    name: str
    replicas: tuple[ReplicaStatus, ...]
    pairs: tuple[PairStatus, ...]
    left_out: tuple[str, ...]


class GlobalTables:
    """Keeps the replicas of every global table alike.

    Args:
        client_factory: Makes a boto3 client from the name of a service and a region. Its clients should give up within
            seconds and try a call once.
        tables: The global tables; each exists in its home region.
        regions: Regions that are there; replicas elsewhere are left out.
        lag: Seconds a change is on its way at least. Default: 0.
        poll_interval: Seconds between looks at an idle stream. Default: 0.05.
        unknowns: A choice for everything AWS's documentation leaves open. Default: the usual ones.
    """

    def __init__(
        self,
        client_factory: Callable[[str, str], Any],
        tables: Sequence[GlobalTable],
        regions: Sequence[str],
        *,
        lag: float = 0.0,
        poll_interval: float = 0.05,
        unknowns: Unknowns | None = None,
    ) -> None:
        self._regions = tuple(regions)
        self._tables = [
            _Table(
                client_factory,
                one,
                self._regions,
                replication=Replication(
                    [region for region in one.regions if region in self._regions], lag=lag, unknowns=unknowns
                ),
                poll_interval=poll_interval,
            )
            for one in tables
        ]
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, patience: float = 30.0) -> None:
        """Make the replicas that are missing and begin to follow all of them.

        Returns once every replica is there, or after *patience* seconds; those of a region that does not answer are
        made when it does. After a stop it goes on where it was.
        """
        self._ended.clear()
        replicas = [replica for table in self._tables for replica in table.replicas]
        self._threads = [
            # A thread per replica: a region that hangs must not hold up the others.
            threading.Thread(target=replica.run, args=(self._ended,), daemon=True)
            for replica in replicas
        ]
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + patience
        for replica in replicas:
            replica.ready.wait(max(0.0, deadline - time.monotonic()))

    def stop(self, timeout: float = 5.0) -> None:
        """Stop reading and writing; wait at most *timeout* seconds for calls under way."""
        self._ended.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads = []

    def status(self) -> tuple[TableStatus, ...]:
        """Every table at this moment."""
        return tuple(table.status() for table in self._tables)

    def pause(self, a: str, b: str) -> None:
        """Hold back what goes between *a* and *b*, both ways, in every table: a partition.

        Raises:
            ValueError: If there is no such region.
        """
        self._each(a, b, action=lambda replication: replication.pause(a, b))

    def resume(self, a: str, b: str) -> None:
        """Let it go on.

        Raises:
            ValueError: If there is no such region.
        """
        self._each(a, b, action=lambda replication: replication.resume(a, b))

    def pause_region(self, region: str) -> None:
        """Hold back everything from and to *region*.

        Raises:
            ValueError: If there is no such region.
        """
        self._each(region, action=lambda replication: replication.pause_region(region))

    def resume_region(self, region: str) -> None:
        """Let it go on; pairs that are paused by themselves stay so.

        Raises:
            ValueError: If there is no such region.
        """
        self._each(region, action=lambda replication: replication.resume_region(region))

    def set_lag(self, seconds: float) -> None:
        """Let every change be on its way at least this long, also those that are."""
        self._each(action=lambda replication: replication.set_lag(seconds))

    def _each(self, *regions: str, action: Callable[[Replication], None]) -> None:
        for region in regions:
            if region not in self._regions:
                raise ValueError(f"region must be one of {list(self._regions)}, got {region!r}")
        for table in self._tables:
            with table.lock:
                action(table.replication)


class _Table:
    """One global table: its state machine, and who follows each replica."""

    def __init__(
        self,
        client_factory: Callable[[str, str], Any],
        table: GlobalTable,
        present: Sequence[str],
        *,
        replication: Replication,
        poll_interval: float,
    ) -> None:
        self._table = table
        self._left_out = tuple(region for region in table.regions if region not in present)
        self.lock = threading.Lock()
        self.replication = replication
        home = client_factory("dynamodb", table.home)
        dynamodb = {region: client_factory("dynamodb", region) for region in table.regions if region in present}
        self.replicas = [
            Replica(
                region,
                table.name,
                replication=replication,
                lock=self.lock,
                prepare=partial(ensure_replica, table, region, home=home, here=here),
                dynamodb=here,
                streams=client_factory("dynamodbstreams", region),
                poll_interval=poll_interval,
            )
            for region, here in dynamodb.items()
        ]

    def status(self) -> TableStatus:
        """This moment."""
        with self.lock:
            pairs = self.replication.status(time.time())
        return TableStatus(
            name=self._table.name,
            replicas=tuple(
                ReplicaStatus(region=one.region, ready=one.ready.is_set(), problem=one.problem) for one in self.replicas
            ),
            pairs=pairs,
            left_out=self._left_out,
        )
