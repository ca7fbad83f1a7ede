"""`resilience fault`: break a running local cloud, and mend it."""

import argparse
import json

from constructs_lib.cli.running import Subjects, add_port, control
from constructs_lib.local.faults.model import from_json


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
    fault = subjects.add_parser("fault", help="break a running local cloud, and mend it")
    commands = fault.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="begin a fault and print its id")
    kinds = start.add_subparsers(required=True, metavar="KIND", dest="kind")

    region = kinds.add_parser("region", help="lose a region; its data stays, and comes back with it")
    region.add_argument("region", metavar="REGION")

    partition = kinds.add_parser("partition", help="let two regions not reach each other")
    partition.add_argument("regions", metavar="REGION", nargs=2)

    operation = kinds.add_parser(
        "operation",
        help="throttle, fail, slow down or hang an operation of AWS in a region",
        epilog="Example: resilience fault start operation eu-west-1 dynamodb PutItem throttled",
    )
    operation.add_argument("region", metavar="REGION")
    operation.add_argument("service", metavar="SERVICE", help="dynamodb, kinesis, lambda ...; execute-api for APIs")
    operation.add_argument("operation", metavar="OPERATION", help="as the API reference names it; '*' for each")
    operation.add_argument("mode", choices=["throttled", "failed", "slow", "hanging"])
    operation.add_argument("--by", type=float, default=1.0, metavar="SECONDS", help="how slow; default: %(default)s")
    start.set_defaults(run=_start)

    stop = commands.add_parser("stop", help="end a fault")
    which = stop.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", help="as start and list print it")
    which.add_argument("--all", action="store_true", help="end every fault")
    stop.set_defaults(run=_stop)

    listing = commands.add_parser("list", help="what is broken now")
    listing.set_defaults(run=_list)
    for command in (region, partition, operation, stop, listing):
        add_port(command)


def _start(options: argparse.Namespace) -> None:
    names = ("kind", "region", "regions", "service", "operation", "mode", "by")
    print(control(options).start(from_json({name: getattr(options, name) for name in names if name in options})))


def _stop(options: argparse.Namespace) -> None:
    control(options).stop(options.id)


def _list(options: argparse.Namespace) -> None:
    for fault in control(options).faults():
        print(json.dumps(fault))
