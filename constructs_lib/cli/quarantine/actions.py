"""What `resilience quarantine` does."""

import argparse
import functools
import json
import time
from typing import NamedTuple

from constructs_lib import _environment as environment_names
from constructs_lib.cli.place import place_of
from constructs_lib.cli.progress import say_aside
from constructs_lib.cli.quarantine import output
from constructs_lib.cli.stopping import stop_when_asked
from constructs_lib.operations import dependencies
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.place import Place
from constructs_lib.operations.quarantine.bucket import S3Bucket
from constructs_lib.operations.quarantine.desk import Desk, Pace, as_json
from constructs_lib.operations.quarantine.search import Filter
from constructs_lib.operations.quarantine.sender import Kinesis


class _Target(NamedTuple):
    """A quarantine."""

    dependency: str | None
    region: str
    bucket: str


def list_items(options: argparse.Namespace) -> int:
    """Print what is in every quarantine that is meant."""
    place = place_of(options)
    listed = []
    for target in _targets(options, place):
        items = _desk(place, target).items(_filter(options), settled=options.settled)
        about = {"dependency": target.dependency, "region": target.region, "bucket": target.bucket}
        listed += [about | as_json(item) for item in items]
        if not options.json:
            state = "settled" if options.settled else "open"
            print(f"{target.dependency or target.bucket} in {target.region}: {len(items):,} {state}")
            output.print_table(items[: options.limit or None])
            if 0 < options.limit < len(items):
                print(f"... and {len(items) - options.limit:,} more: --limit 0 prints all, filters take fewer")
    if options.json:
        print(json.dumps(listed, indent=1))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print one item."""
    place = place_of(options)
    print(json.dumps(_desk(place, _target(options, place)).show(options.id), indent=1))
    return 0


def redrive(options: argparse.Namespace) -> int:
    """Send items again; the status is 1 where some cannot be sent, 130 where the operator ended it early."""
    if options.again and not options.ids:
        raise OperationError("What is settled is sent again by its ids only; `quarantine list --settled` prints them.")
    place = place_of(options)
    target = _target(options, place)
    identity = _identity(place, target)
    stream = _stream_arn(options.stream, identity, target) if options.stream else None
    desk = _desk(place, target, by=identity)
    wanted = _filter(options)
    if options.dry_run:
        plan = desk.plan(wanted, stream=stream, again=options.again)
        output.print_plan(plan, options)
        return 1 if plan.impossible else 0
    kinesis = Kinesis(functools.cache(lambda region: place.client("kinesis", region)))
    with stop_when_asked(say_aside) as stop:
        pace = Pace(pause=stop.pause, clock=time.monotonic, rate=options.rate, stopped=lambda: stop.asked)
        sent, plan = desk.redrive(wanted, kinesis.put, pace, stream=stream, again=options.again)
    left = plan.number - sent
    if options.json:
        print(json.dumps({"sent": sent, "left": left, "impossible": plan.impossible}, indent=1))
    else:
        print(f"{sent:,} sent" + (f", {left:,} left: the same command goes on with them" if left else ""))
        output.print_impossible(plan)
    if stop.asked and left:
        return 130
    return 1 if plan.impossible else 0


def discard(options: argparse.Namespace) -> int:
    """Settle items without sending them."""
    wanted = _filter(options)
    if wanted == Filter() and not options.all:
        raise OperationError("Say what to discard: ids or filters, or --all for everything that waits there.")
    place = place_of(options)
    target = _target(options, place)
    desk = _desk(place, target, by=_identity(place, target))
    items = desk.items(wanted) if options.dry_run else desk.discard(wanted, reason=options.reason)
    if options.json:
        print(json.dumps([as_json(item) for item in items], indent=1))
    else:
        output.print_table(items)
        print(f"{len(items):,} {'would be discarded' if options.dry_run else 'discarded'}")
    return 0


def _targets(options: argparse.Namespace, place: Place) -> list[_Target]:
    if options.bucket:
        return [_Target(options.dependency, place.regions[0], options.bucket)]
    found = dependencies.find(place, stack=options.stack, dependency=options.dependency)
    # A consumer that someone wired by hand may have none.
    return [
        _Target(each.name, each.region, each.settings[environment_names.QUARANTINE_BUCKET])
        for each in found
        if environment_names.QUARANTINE_BUCKET in each.settings
    ]


def _target(options: argparse.Namespace, place: Place) -> _Target:
    targets = _targets(options, place)
    if len(targets) != 1:
        names = ", ".join(f"{each.dependency} in {each.region} ({each.bucket})" for each in targets) or "none"
        raise OperationError(
            f"This is done to one quarantine at a time, and there are: {names}; say which with --dependency, --region "
            "and --stack, or with --bucket."
        )
    return targets[0]


def _desk(place: Place, target: _Target, *, by: str = "") -> Desk:
    bucket = S3Bucket(client=place.client("s3", target.region), name=target.bucket)
    return Desk(bucket, by=by, progress=say_aside)


def _identity(place: Place, target: _Target) -> str:
    return str(place.client("sts", target.region).get_caller_identity()["Arn"])


def _stream_arn(name: str, identity: str, target: _Target) -> str:
    if name.startswith("arn:"):
        return name
    _, partition, _, _, account, _ = identity.split(":", 5)
    return f"arn:{partition}:kinesis:{target.region}:{account}:stream/{name}"


def _filter(options: argparse.Namespace) -> Filter:
    return Filter(
        ids=tuple(getattr(options, "ids", ())),
        since=options.since,
        until=options.until,
        kinds=tuple(options.kind),
        tenants=tuple(options.tenant),
        matching=options.matching,
    )
