"""How a running local cloud is at this moment: what a person, a test or a drill looks at from outside."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from constructs_lib.local.deployment import DeployedStack
from constructs_lib.local.event_source_mapping.clients import CALL_FAILED
from constructs_lib.local.event_source_mapping.runner import MappingStatus
from constructs_lib.local.faults.notation import from_json, in_words
from constructs_lib.local.replication.runner import TableStatus
from constructs_lib.local.third_parties.calls import Calls

_QUEUE = "AWS::SQS::Queue"
_DEPTH = {"waiting": "ApproximateNumberOfMessages", "in_flight": "ApproximateNumberOfMessagesNotVisible"}


def stacks(deployed: Sequence[DeployedStack]) -> list[dict[str, Any]]:
    """Name, region and number of resources of each stack."""
    return [{"name": each.name, "region": each.region, "resources": len(each.resources)} for each in deployed]


def mappings(found: Sequence[MappingStatus]) -> list[dict[str, Any]]:
    """Each stream mapping with the position and the lag of its shards."""
    return [dataclasses.asdict(each) for each in found]


def queues(
    deployed: Sequence[DeployedStack], client: Callable[[str, str], Any], lost: frozenset[str]
) -> list[dict[str, Any]]:
    """Depth of each queue of *deployed*; that of a lost region nobody knows."""
    return [
        {"name": url.rpartition("/")[2], "region": stack.region, **_depth(client, stack.region, url, lost)}
        for stack in deployed
        for kind, url in stack.resources.values()
        if kind == _QUEUE
    ]


def tables(found: Sequence[TableStatus]) -> list[dict[str, Any]]:
    """Each global table with what is on its way between its replicas."""
    return [dataclasses.asdict(each) for each in found]


def third_parties(found: Sequence[Calls]) -> list[dict[str, Any]]:
    """Each host outside that functions called, with what became of the calls."""
    return [dataclasses.asdict(each) for each in found]


def lines(status: Mapping[str, Any]) -> Iterator[str]:
    """What `LocalCloud.status` gives, as text for a person."""
    yield f"AWS answers at {status['endpoint_url']}, account {status['account']}"
    yield "Regions:"
    for region in status["regions"]:
        yield f"  {region['name']}  {'LOST' if region['lost'] else 'up'}{'  (home)' if region['home'] else ''}"
    yield "Stacks:"
    for stack in status["stacks"]:
        yield f"  {stack['name']}  {stack['region']}  {stack['resources']} resources"
    yield from _section("Stream mappings:", _mapping_lines(status["mappings"]))
    yield from _section(
        "Queues:",
        (
            f"  {each['name']}  {each['region']}  {_number(each['waiting'])} waiting, "
            f"{_number(each['in_flight'])} in flight"
            for each in status["queues"]
        ),
    )
    yield from _section("Global tables:", _table_lines(status["tables"]))
    yield from _section("Names:", _name_lines(status["route53"]))
    yield from _section("Third parties:", _third_party_lines(status["third_parties"]))
    yield from _section(
        "Faults:",
        (f"  {each['id']}  {_fault(each)}" for each in status["faults"]),
    )


def _depth(client: Callable[[str, str], Any], region: str, url: str, lost: frozenset[str]) -> dict[str, int | None]:
    if region not in lost:
        try:
            values = client("sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=[*_DEPTH.values()])
            return {name: int(values["Attributes"][attribute]) for name, attribute in _DEPTH.items()}
        except CALL_FAILED:
            pass
    return dict.fromkeys(_DEPTH)


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _section(title: str, content: Iterator[str]) -> Iterator[str]:
    found = list(content)
    if found:
        yield title
        yield from found


def _mapping_lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in found:
        function, stream = (each[name].rpartition(":")[2] for name in ("function_arn", "stream_arn"))
        state = each["problem"] or ("enabled" if each["enabled"] else "disabled")
        yield f"  {each['region']}  {stream} -> {function}  {state}"
        for shard in each["shards"]:
            yield "    " + ", ".join(
                f"{name.replace('_', ' ')} {value}" for name, value in shard.items() if value not in ("", None)
            )


def _table_lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for table in found:
        for pair in table["pairs"]:
            yield (
                f"  {table['name']}  {pair['source']} -> {pair['receiving']}  "
                f"{'paused, ' if pair['paused'] else ''}{pair['waiting']} waiting, {pair['behind']:.1f} s behind"
            )


def _name_lines(route53: Mapping[str, Any] | None) -> Iterator[str]:
    for name, led in (route53 or {}).get("names", {}).items():
        ways = ", ".join(f"{client} -> {region or 'nowhere'}" for client, region in led.items())
        yield f"  {name} at {(route53 or {})['url']}: {ways}"


def _third_party_lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in found:
        counts = [f"{each['passed']} passed on", f"{each['disturbed']} disturbed", f"{each['open']} open"]
        if each["untrusted"]:
            counts.append(f"{each['untrusted']} by a library with certificates of its own")
        yield f"  {each['host']}  {', '.join(counts)}"


def _fault(listed: Mapping[str, Any]) -> str:
    return in_words(from_json({name: value for name, value in listed.items() if name != "id"}))
