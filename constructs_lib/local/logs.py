"""The logs of what runs in the local cloud, as CloudWatch Logs of the emulator holds them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from constructs_lib.local.errors import LocalCloudError

_POLL_SECONDS = 1.0


def log_groups(name: str, regions: Sequence[str], client: Callable[[str, str], Any]) -> list[tuple[str, str]]:
    """(region, log group) of each function whose name holds *name*, and of each log group whose name does.

    Raises:
        LocalCloudError: If there is none; the message names what there is.
    """
    wanted = name.lower()
    found: dict[tuple[str, str], None] = {}
    known: set[str] = set()
    for region in regions:
        for page in client("lambda", region).get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                known.add(function["FunctionName"])
                if wanted in function["FunctionName"].lower():
                    group = function.get("LoggingConfig", {}).get("LogGroup")
                    found[region, group or f"/aws/lambda/{function['FunctionName']}"] = None
        for page in client("logs", region).get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                if wanted in group["logGroupName"].lower():
                    found[region, group["logGroupName"]] = None
    if not found:
        raise LocalCloudError(
            f"Nothing called {name} logs here; there are the functions {', '.join(sorted(known)) or '(none)'}."
        )
    return list(found)


def lines(
    groups: Sequence[tuple[str, str]], client: Callable[[str, str], Any], *, follow: bool = False
) -> Iterator[str]:
    """What *groups* hold, oldest first; with *follow* also what comes, until the caller stops.

    Args:
        groups: (region, log group), as `log_groups` gives them.
        client: Makes a boto3 client from the name of a service and a region.
        follow: Whether to wait for more.
    """
    clients = {region: client("logs", region) for region, _ in groups}
    latest = dict.fromkeys(groups, 0)
    told: Counter[tuple[str, ...]] = Counter()
    while True:
        fresh = []
        # Events carry no id here. Equal ones are told apart by their number: asked for from the same moment on, all
        # of them are listed again.
        listed: Counter[tuple[str, ...]] = Counter()
        for region, group in groups:
            for event in _events(clients[region], group, latest[region, group]):
                moment, message = event["timestamp"], event["message"].rstrip()
                key = (region, group, event["logStreamName"], str(moment), message)
                listed[key] += 1
                latest[region, group] = max(latest[region, group], moment)
                if listed[key] > told[key]:
                    told[key] += 1
                    fresh.append((moment, f"{region} {message}" if len(clients) > 1 else message))
        yield from (text for _, text in sorted(fresh, key=itemgetter(0)))
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def _events(logs: Any, group: str, since: int) -> Iterator[Any]:
    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            yield from page["events"]
    except logs.exceptions.ResourceNotFoundException:
        # A function that never ran has no log group yet.
        return
