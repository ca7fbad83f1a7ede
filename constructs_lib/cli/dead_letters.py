"""`resilience dead-letters`: look at the messages a queue consumer failed with, send them again, or discard them."""

import argparse
import json
import time
from typing import TYPE_CHECKING

from constructs_lib.cli.moments import moment
from constructs_lib.cli.place import add_place, explaining, place_of
from constructs_lib.cli.progress import say_aside
from constructs_lib.cli.running import Subjects
from constructs_lib.cli.stopping import stop_when_asked
from constructs_lib.operations.errors import OperationError

if TYPE_CHECKING:
    from constructs_lib.operations.consumers import Consumer
    from constructs_lib.operations.dead_letters.desk import Desk
    from constructs_lib.operations.dead_letters.letters import Letter, Wanted
    from constructs_lib.operations.place import Place

_LISTED = 50
_DEFAULT_RATE = 10.0


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
    group = subjects.add_parser("dead-letters", help="messages a queue consumer failed with: look, send again, discard")
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser(
        "list",
        help="what is there, and why",
        epilog="Example: resilience dead-letters list --consumer process_event --since 2h",
    )
    listing.add_argument(
        "--limit", type=int, default=_LISTED, metavar="N", help="most lines; 0: all; default: %(default)s"
    )
    listing.set_defaults(run=explaining(_list))

    show = commands.add_parser("show", help="one letter with its body, as JSON")
    show.add_argument("id", metavar="ID", help="as list prints it, or what it ends with")
    show.set_defaults(run=explaining(_show))

    redrive = commands.add_parser(
        "redrive",
        help="send letters to their queue again",
        description="Send letters to their queue again, unchanged, also those that SQS's own redrive refuses. Each leaves "
        "once the queue has confirmed it; interrupted, the same command goes on with the rest.",
        epilog='Example: resilience dead-letters redrive --consumer process_event --matching "no tenant" --dry-run',
    )
    redrive.add_argument(
        "--rate", type=float, default=_DEFAULT_RATE, metavar="N", help="most messages a second; default: %(default)s"
    )
    redrive.add_argument("--dry-run", action="store_true", help="only tell what would be sent")
    redrive.set_defaults(run=explaining(_redrive))

    discard = commands.add_parser(
        "discard",
        help="delete letters that nobody needs",
        description="Delete letters that nobody needs. Each is printed before it is deleted, as a line of JSON.",
        epilog="Example: resilience dead-letters discard --consumer process_event --tenant test > discarded.jsonl",
    )
    discard.add_argument(
        "--all", action="store_true", help="everything; needed where neither ids nor filters are given"
    )
    discard.set_defaults(run=explaining(_discard))

    for command in (redrive, discard):
        command.add_argument("ids", nargs="*", metavar="ID", help="as list prints them; default: all that filters take")
    for command in (listing, redrive, discard):
        _add_filters(command)
    for command in (listing, redrive):
        command.add_argument("--json", action="store_true", help="the result as JSON")
    for command in (listing, show, redrive, discard):
        add_place(command, names_dependency=False)
        command.add_argument("--consumer", metavar="NAME", help="as its logs and metrics call it")


def _add_filters(command: argparse.ArgumentParser) -> None:
    filters = command.add_argument_group("filters")
    when = "ISO 8601 (UTC unless it says otherwise), or so long ago: 90m, 2h, 3d"
    filters.add_argument("--since", type=moment, metavar="TIME", help=f"sent then or later: {when}")
    filters.add_argument("--until", type=moment, metavar="TIME", help="sent before that")
    filters.add_argument("--tenant", action="append", default=[], metavar="TENANT", help="may be given several times")
    filters.add_argument("--matching", metavar="TEXT", help="the reason holds that text")


def _list(options: argparse.Namespace) -> None:
    from constructs_lib.operations import consumers  # noqa: PLC0415 - boto3 comes with an extra

    place, listed = place_of(options), []
    for consumer in consumers.find(place, stack=options.stack, consumer=options.consumer):
        letters = _desk(place, consumer).letters(_wanted(options))
        listed += [{"consumer": consumer.name, "region": consumer.region} | each.as_json() for each in letters]
        if not options.json:
            print(f"{consumer.name} in {consumer.region}: {len(letters):,}")
            _print(letters[: options.limit or None])
            if 0 < options.limit < len(letters):
                print(f"... and {len(letters) - options.limit:,} more: --limit 0 prints all, filters take fewer")
    if options.json:
        print(json.dumps(listed, indent=1))


def _show(options: argparse.Namespace) -> None:
    place = place_of(options)
    print(json.dumps(_desk(place, _consumer(options, place)).show(options.id), indent=1))


def _redrive(options: argparse.Namespace) -> int:
    if not 0.01 <= options.rate <= 10_000:
        raise OperationError(f"--rate is {options.rate:g}; it must be a number from 0.01 to 10000.")
    place = place_of(options)
    desk = _desk(place, _consumer(options, place))
    if options.dry_run:
        letters = desk.letters(_wanted(options))
        if options.json:
            print(json.dumps([each.as_json() for each in letters], indent=1))
        else:
            print(f"{len(letters):,} would be sent, in about {len(letters) / options.rate:,.0f} seconds:")
            _print(letters)
        return 0
    with stop_when_asked(say_aside) as stop:
        began = time.monotonic()

        def pause(sent: int) -> bool:
            stop.pause(began + sent / options.rate - time.monotonic())
            return not stop.asked

        outcome = desk.redrive(_wanted(options), pause=pause)
    if options.json:
        print(json.dumps({"sent": outcome.done, "left": outcome.left}, indent=1))
    else:
        print(f"{outcome.done:,} sent")
        for name, why in outcome.left.items():
            print(f"cannot be sent: {name}: {why}")
    return 130 if stop.asked else int(bool(outcome.left))


def _discard(options: argparse.Namespace) -> None:
    if not (options.all or options.ids or options.since or options.until or options.tenant or options.matching):
        raise OperationError("Say what to discard: ids or filters, or --all for everything that is there.")
    place = place_of(options)
    desk = _desk(place, _consumer(options, place))

    def keep(letter: "Letter") -> None:
        print(json.dumps(letter.as_json() | {"body": letter.body}), flush=True)

    outcome = desk.discard(_wanted(options), keep=keep)
    say_aside(f"{outcome.done:,} discarded")


def _consumer(options: argparse.Namespace, place: "Place") -> "Consumer":
    from constructs_lib.operations import consumers  # noqa: PLC0415 - boto3 comes with an extra

    return consumers.find_one(place, stack=options.stack, consumer=options.consumer)


def _desk(place: "Place", consumer: "Consumer") -> "Desk":
    from constructs_lib.operations.dead_letters.desk import Desk  # noqa: PLC0415 - boto3 comes with an extra

    clients = {name: place.client(name, consumer.region) for name in ("sqs", "dynamodb")}
    return Desk(consumer, **clients, progress=say_aside)


def _wanted(options: argparse.Namespace) -> "Wanted":
    from constructs_lib.operations.dead_letters.letters import Wanted  # noqa: PLC0415 - beside the desk

    return Wanted(
        ids=tuple(getattr(options, "ids", ())),
        since=options.since,
        until=options.until,
        tenants=tuple(options.tenant),
        matching=options.matching,
    )


def _print(letters: "list[Letter]") -> None:
    if not letters:
        return
    rows = [("SENT", "TENANT", "TRIES", "ID", "REASON")]
    rows += [
        (f"{each.sent:%Y-%m-%dT%H:%M:%SZ}", each.tenant or "-", str(each.deliveries or "-"), each.id, each.reason or "")
        for each in letters
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]))
