"""`resilience breaker`: look at the circuit of a dependency, stop its calls by hand, and let them go on."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.place import add_place, explaining, place_of
from constructs_lib.cli.running import Subjects

if TYPE_CHECKING:
    from constructs_lib.operations.breaker import Circuit


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
    breaker = subjects.add_parser("breaker", help="the circuit of a dependency: look, stop its calls, let them go on")
    commands = breaker.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("show", help="whether calls are stopped, since when, and until when")
    show.add_argument("--json", action="store_true", help="everything that is kept, as JSON")
    show.set_defaults(run=explaining(_show))

    isolate = commands.add_parser(
        "isolate",
        help="stop every call to the dependency",
        description="Stop every call to the dependency, within seconds and until it is restored. Its records wait in "
        "order; nothing is lost, and nothing else slows down.",
        epilog='Example: resilience breaker isolate Slack --reason "maintenance until 14:00"',
    )
    isolate.add_argument("--reason", required=True, metavar="TEXT", help="why; kept for whoever looks")
    isolate.set_defaults(run=explaining(_isolate))

    restore = commands.add_parser(
        "restore",
        help="let one call try; if it is answered, all go on",
        description="End an isolation, or the wait of an open circuit, also one that the dependency asked for: one "
        "call tries at once, and if it is answered, all go on.",
    )
    restore.set_defaults(run=explaining(_restore))

    show.add_argument(
        "dependency", metavar="DEPENDENCY", nargs="?", help="as its construct is called; default: every one"
    )
    for command in (isolate, restore):
        command.add_argument("dependency", metavar="DEPENDENCY", help="as its construct is called")
    for command in (show, isolate, restore):
        add_place(command, names_dependency=False)
        command.add_argument("--table", metavar="NAME", help="its state table; default: that of its consumer")


def _show(options: argparse.Namespace) -> None:
    for circuit in _circuits(options):
        found = as_json(circuit)
        print(json.dumps(found) if options.json else "\n".join(lines(found)))


def as_json(circuit: "Circuit") -> dict[str, Any]:
    """How *circuit* is now, as JSON can hold it."""
    breaker, parked = circuit.look()
    kept = {"dependency": circuit.dependency, "region": circuit.region, "table": circuit.table}
    return kept | asdict(breaker) | {"parked": parked}


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The same for a person."""
    since = f" since {_moment(found['since'])}" if found["since"] else ""
    yield f"{found['dependency']} in {found['region']}: {found['state']}{since}"
    if found["reason"]:
        yield f"  reason: {found['reason']}"
    if found["state"] == "open":
        due = max(found["probe_at"], found["not_before"])
        yield f"  next probe: {f'not before {_moment(due)}' if due else 'at once'}"
    if found["parked"]:
        yield f"  tenants with parked records: {found['parked']}"


def _isolate(options: argparse.Namespace) -> None:
    for circuit in _circuits(options):
        changed = circuit.isolate(options.reason)
        print(f"{_name(circuit)}: {'isolated' if changed else 'is isolated already'}")


def _restore(options: argparse.Namespace) -> None:
    for circuit in _circuits(options):
        circuit.restore()
        print(f"{_name(circuit)}: one call tries; if it is answered, all go on")


def _circuits(options: argparse.Namespace) -> "list[Circuit]":
    from constructs_lib.operations import breaker  # noqa: PLC0415 - boto3 comes with an extra

    return breaker.find(place_of(options), dependency=options.dependency, stack=options.stack, table=options.table)


def _name(circuit: "Circuit") -> str:
    return f"{circuit.dependency} in {circuit.region}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
