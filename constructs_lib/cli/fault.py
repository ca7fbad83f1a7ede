"""`resilience fault`: break a running local cloud, and mend it."""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from constructs_lib.cli.running import Subjects, add_port, control, say
from constructs_lib.local.faults.model import FunctionMode, ThirdPartyMode
from constructs_lib.local.faults.notation import attribute_types, from_json
from constructs_lib.local.faults.plan import read_faults, read_file
from constructs_lib.local.faults.play import play
from constructs_lib.local.router.table import Mode

_SECONDS: Any = {"type": float, "metavar": "SECONDS"}


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
    fault = subjects.add_parser("fault", help="break a running local cloud, and mend it")
    commands = fault.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="begin a fault and print its id")
    _add_kinds(start.add_subparsers(required=True, metavar="KIND", dest="kind"))
    start.set_defaults(run=_start)

    run = commands.add_parser(
        "run",
        help="begin and end the faults of a plan when they are due",
        description="Begin and end the faults of a plan, also of a drill's, when they are due. Ctrl-C ends them all.",
    )
    run.add_argument("plan", metavar="PLAN", type=Path, help="the plan, a TOML file")
    run.set_defaults(run=_run)

    stop = commands.add_parser("stop", help="end a fault")
    which = stop.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", help="as start and list print it")
    which.add_argument("--all", action="store_true", help="end every fault")
    stop.set_defaults(run=_stop)

    listing = commands.add_parser("list", help="what is broken now")
    listing.set_defaults(run=_list)
    for command in (run, stop, listing):
        add_port(command)


def _add_kinds(kinds: Subjects) -> None:
    region = kinds.add_parser("region", help="lose a region; its data stays, and comes back with it")
    region.add_argument("region", metavar="REGION")

    partition = kinds.add_parser("partition", help="let two regions not reach each other")
    partition.add_argument("regions", metavar="REGION", nargs=2)

    operation = kinds.add_parser(
        "operation",
        help="throttle, fail, slow down or hang an operation of AWS",
        epilog="Example: resilience fault start operation dynamodb PutItem throttled --region eu-west-1",
    )
    operation.add_argument("service", metavar="SERVICE", help="dynamodb, kinesis, lambda ...; execute-api for APIs")
    operation.add_argument("operation", metavar="OPERATION", help="as the API reference names it; '*' for each")
    operation.add_argument("mode", choices=get_args(Mode))
    operation.add_argument("--by", **_SECONDS, help="how slow; default: 1")

    function = kinds.add_parser("function", help="have a function fail, not start, or die in the middle")
    function.add_argument("function", metavar="FUNCTION", help="its name or logical id, or a part of one")
    function.add_argument("mode", choices=get_args(FunctionMode))
    function.add_argument("--after", **_SECONDS, help="how long it runs before its process is killed; default: 0.1")

    third_party = kinds.add_parser(
        "third-party",
        help="have a service outside AWS fail everybody who calls it",
        description="Have a service outside AWS fail. A host fails for functions whose HTTP library goes by proxy "
        "settings, as most do; `resilience local status` shows which hosts were called that way.",
        epilog="Example: resilience fault start third-party api.example.com throttled --retry-after 5",
    )
    third_party.add_argument(
        "where", metavar="NAME", help="a host, *.example.com for all below it, or a stand-in's name"
    )
    third_party.add_argument("mode", choices=get_args(ThirdPartyMode))
    third_party.add_argument("--by", **_SECONDS, help="how slow; default: 1")
    third_party.add_argument(
        "--retry-after", **_SECONDS, dest="retry_after", help="what throttled asks for; default: 2"
    )

    record = kinds.add_parser("record", help="put a record that nobody can read on a stream or queue")
    record.add_argument("where", metavar="NAME", help="of the stream or queue, or its logical id, or a part of one")

    for kind in (operation, function, record):
        kind.add_argument("--region", metavar="REGION", help="where; default: everywhere")
    for kind in (region, partition, operation, function, third_party, record):
        add_port(kind)


def _start(options: argparse.Namespace) -> None:
    given = {name: getattr(options, name) for name in attribute_types(options.kind)}
    # What is not given has its default where the kind is defined.
    values = {name: value for name, value in given.items() if value is not None}
    print(control(options).start(from_json({"kind": options.kind, **values})))


def _run(options: argparse.Namespace) -> None:
    play(read_faults(read_file(options.plan), name=options.plan.stem), control(options), progress=say)


def _stop(options: argparse.Namespace) -> None:
    control(options).stop(options.id)


def _list(options: argparse.Namespace) -> None:
    for fault in control(options).faults():
        print(json.dumps(fault))
