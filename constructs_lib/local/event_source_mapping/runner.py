"""Runs the Kinesis and DynamoDB stream mappings of an emulator with AWS's semantics, over its public API.

    runner = MappingRunner("http://127.0.0.1:4566", ["us-east-1", "eu-west-1"])
    runner.start()
    ...
    runner.stop()

The emulator's own pollers of streams must be off. Mappings are found, followed and dropped as ListEventSourceMappings
shows them; each shard runs by itself, so that a slow or failing function delays nobody else.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED, Clients
from constructs_lib.local.event_source_mapping.config import Config, on_failure_destination
from constructs_lib.local.event_source_mapping.function import Calls
from constructs_lib.local.event_source_mapping.machine import readable
from constructs_lib.local.event_source_mapping.records import Source
from constructs_lib.local.event_source_mapping.stream import Shard, StartingPosition, Stream
from constructs_lib.local.event_source_mapping.unknowns import Backoff, Unknowns
from constructs_lib.local.event_source_mapping.worker import ShardStatus, ShardWorker

_LOG = logging.getLogger(__name__)
_DISABLED = ("Disabled", "Disabling")
_SHARDS_EVERY = 5.0

LOCAL_UNKNOWNS = Unknowns(backoff=Backoff(first=0.2, longest=5.0))
"""The usual choices, with waits between tries that suit a person watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingStatus:
    """One mapping and where it stands. *problem* says in one sentence why it does not run."""

    mapping_id: str
    region: str
    function_arn: str
    stream_arn: str
    enabled: bool
    shards: tuple[ShardStatus, ...]
    problem: str


class MappingRunner:
    """Runs every stream mapping in *regions*.

    Args:
        endpoint_url: Where the emulator is reached.
        regions: Regions to look for mappings in.
        poll_interval: Seconds between reads of an idle shard. Default: 0.05; AWS reads Kinesis once a second and
            DynamoDB streams four times a second.
        discovery_interval: Seconds between looks for new and changed mappings. Default: 1.
        unknowns: A choice for everything AWS's documentation leaves open. Default: the usual ones, with short waits.
        access_key_id: Credentials for the emulator. Default: `test`.
        secret_access_key: Credentials for the emulator. Default: `test`.
    """

    def __init__(
        self,
        endpoint_url: str,
        regions: Sequence[str],
        *,
        poll_interval: float = 0.05,
        discovery_interval: float = 1.0,
        unknowns: Unknowns = LOCAL_UNKNOWNS,
        access_key_id: str = "test",
        secret_access_key: str = "test",  # noqa: S107 - the emulator's well-known account
    ) -> None:
        self._clients = Clients(endpoint_url, access_key_id=access_key_id, secret_access_key=secret_access_key)
        self._discovery_interval = discovery_interval
        self._ended = threading.Event()
        self._regions = [_Region(self._clients, region, poll_interval, unknowns) for region in regions]
        self._threads = [
            # A thread per region: one that hangs must not hide the others' mappings.
            threading.Thread(target=self._follow, args=(region,), name=f"mappings {region.name}", daemon=True)
            for region in self._regions
        ]

    def start(self) -> None:
        """Begin to look for mappings and to run them."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop reading; wait at most *timeout* seconds for invocations under way.

        What has not ended then is abandoned, as when a machine is lost; a later start delivers it again.
        """
        deadline = time.time() + timeout
        self._ended.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.time()))
        for region in self._regions:
            region.stop(deadline)
        self._clients.close()

    def status(self) -> list[MappingStatus]:
        """Every stream mapping known now."""
        return [mapping.status() for region in self._regions for mapping in list(region.mappings.values())]

    def _follow(self, region: "_Region") -> None:
        while not self._ended.is_set():
            region.refresh()
            self._ended.wait(self._discovery_interval)


class _Region:
    """The stream mappings of one region."""

    def __init__(self, clients: Clients, name: str, poll_interval: float, unknowns: Unknowns) -> None:
        self.name = name
        self.mappings: dict[str, _Mapping] = {}
        self._clients = clients
        self._poll_interval = poll_interval
        self._unknowns = unknowns

    def refresh(self) -> None:
        """Bring what runs here in line with what the emulator lists; an emulator that is away changes nothing."""
        try:
            pages = self._clients.get("lambda", self.name).get_paginator("list_event_source_mappings").paginate()
            listed = {item["UUID"]: item for page in pages for item in page["EventSourceMappings"] if _is_stream(item)}
        except CALL_FAILED as error:
            _LOG.debug("no answer about mappings in %s: %s", self.name, error)
            return
        for mapping_id in self.mappings.keys() - listed.keys():
            self.mappings.pop(mapping_id).stop(time.time())
        for mapping_id, item in listed.items():
            if mapping_id not in self.mappings:
                self.mappings[mapping_id] = _Mapping(
                    item, self._clients, self.name, self._poll_interval, self._unknowns
                )
            self.mappings[mapping_id].refresh(item)

    def stop(self, deadline: float) -> None:
        """Stop every mapping, all at the same time."""
        for mapping in self.mappings.values():
            mapping.stop(deadline)
        for mapping in self.mappings.values():
            mapping.join(deadline)


class _Mapping:
    """One mapping: its settings as last seen, and a worker for each shard that may be read."""

    def __init__(
        self, item: Mapping[str, Any], clients: Clients, region: str, poll_interval: float, unknowns: Unknowns
    ) -> None:
        self._item = item
        self._clients = clients
        self._region = region
        self._poll_interval = poll_interval
        self._unknowns = unknowns
        self._settings: tuple[Config, Calls] | None = None
        self._workers: dict[str, ShardWorker] = {}
        self._finished: set[str] = set()
        self._next_look = 0.0
        self._problem = ""

    def refresh(self, item: Mapping[str, Any]) -> None:
        """Take what the emulator says of this mapping now."""
        changed = _without_state(item) != _without_state(self._item)
        self._item = item
        now = time.monotonic()
        if changed or now >= self._next_look:
            try:
                self._look()
                self._problem = ""
                self._next_look = now + _SHARDS_EVERY
            except ValueError as error:
                self._problem = str(error)
            except CALL_FAILED as error:
                self._problem = f"its stream or function does not answer: {error}"
        self._finished |= {worker.shard_id for worker in self._workers.values() if worker.finished}
        for worker in self._workers.values():
            worker.enable(self._enabled)

    def stop(self, deadline: float) -> None:
        """Ask every shard to end."""
        for worker in self._workers.values():
            worker.stop(deadline)

    def join(self, deadline: float) -> None:
        """Wait for every shard to end."""
        for worker in self._workers.values():
            worker.join(deadline - time.time())

    def status(self) -> MappingStatus:
        """A picture of this moment."""
        return MappingStatus(
            mapping_id=self._item["UUID"],
            region=self._region,
            function_arn=self._item["FunctionArn"],
            stream_arn=self._item["EventSourceArn"],
            enabled=self._enabled,
            shards=tuple(worker.status() for worker in list(self._workers.values())),
            problem=self._problem,
        )

    @property
    def _enabled(self) -> bool:
        return self._item["State"] not in _DISABLED

    def _look(self) -> None:
        """Read the settings and the stream's shards, and start, change or end workers accordingly."""
        function = self._clients.get("lambda", self._region).get_function_configuration(
            FunctionName=self._item["FunctionArn"]
        )
        source = Source(stream_arn=self._item["EventSourceArn"], region=self._region, role_arn=function["Role"])
        stream = Stream(self._clients.get("kinesis" if source.is_kinesis else "dynamodbstreams", self._region), source)
        config = Config.from_api(
            self._item, retention=stream.retention(), poll_interval=self._poll_interval, unknowns=self._unknowns
        )
        calls = Calls(
            clients=self._clients,
            mapping_id=self._item["UUID"],
            function_arn=self._item["FunctionArn"],
            source=source,
            destination=on_failure_destination(self._item),
        )
        shards = stream.shards()
        if self._settings not in (None, (config, calls)):
            for worker in self._workers.values():
                worker.reconfigure(config, calls)
        first_look = self._settings is None
        self._settings = (config, calls)
        listed = [shard.shard_id for shard in shards]
        for shard_id in self._workers.keys() - listed:
            self._workers[shard_id].shard_gone()
        for shard in shards:
            if shard.shard_id not in self._workers and self._may_read(shard, listed):
                # Shards that appear later hold what would otherwise have gone to their parents: all of it is read.
                position = _starting_position(self._item) if first_look else StartingPosition()
                self._workers[shard.shard_id] = ShardWorker(
                    shard_id=shard.shard_id,
                    config=config,
                    calls=calls,
                    reader=stream.reader(shard.shard_id, position),
                    enabled=self._enabled,
                )

    def _may_read(self, shard: Shard, listed: Sequence[str]) -> bool:
        # A parent that left the stream may still have a worker with records to deliver.
        return readable(shard.parents, {*listed, *self._workers} - self._finished, self._unknowns)


def _is_stream(item: Mapping[str, Any]) -> bool:
    arn = item.get("EventSourceArn", "")
    return (":kinesis:" in arn or ":dynamodb:" in arn) and item.get("State") != "Deleting"


def _without_state(item: Mapping[str, Any]) -> dict[str, Any]:
    passing = ("State", "StateTransitionReason", "LastModified", "LastProcessingResult")
    return {name: value for name, value in item.items() if name not in passing}


def _starting_position(item: Mapping[str, Any]) -> StartingPosition:
    kind = item.get("StartingPosition", "LATEST")
    if kind != "AT_TIMESTAMP":
        return StartingPosition(kind)
    moment = item.get("StartingPositionTimestamp")
    # The emulator may forget the time; then everything in the stream is read rather than nothing.
    return StartingPosition(kind, moment.timestamp()) if moment else StartingPosition()
