"""`resilience quarantine`: look at what could not be processed, send it again, or discard it."""

import argparse

from constructs_lib.cli.moments import moment
from constructs_lib.cli.place import add_place, explaining
from constructs_lib.cli.quarantine import actions
from constructs_lib.cli.running import Subjects
from constructs_lib.operations.quarantine.items import KINDS
from constructs_lib.operations.quarantine.redrive import DEFAULT_RATE

_LISTED = 50


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
    quarantine = subjects.add_parser("quarantine", help="what could not be processed: look, send again, discard")
    commands = quarantine.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser(
        "list",
        help="what is there and waits for a decision",
        epilog="Example: resilience quarantine list --dependency Slack --since 2h --kind permanent",
    )
    listing.add_argument("--settled", action="store_true", help="what was sent again or discarded, instead")
    listing.add_argument(
        "--limit", type=int, default=_LISTED, metavar="N", help="most lines; 0: all; default: %(default)s"
    )
    listing.set_defaults(run=explaining(actions.list_items))

    show = commands.add_parser("show", help="one item with its payload, and who settled it, as JSON")
    show.add_argument("id", metavar="ID", help="as list prints it, or what it ends with")
    show.set_defaults(run=explaining(actions.show))

    redrive = commands.add_parser(
        "redrive",
        help="put items on the stream they come from, again",
        description="Put items on the stream they come from, unchanged and in the order of each key. Interrupted, the "
        "same command goes on with the rest.",
        epilog="Example: resilience quarantine redrive --dependency Slack --since 2h --dry-run",
    )
    redrive.add_argument(
        "--rate",
        type=_positive,
        default=DEFAULT_RATE,
        metavar="N",
        help="most records a second; default: %(default)s",
    )
    redrive.add_argument("--stream", metavar="NAME", help="name or ARN of the stream that took the place of theirs")
    redrive.add_argument("--again", action="store_true", help="send items that are settled; needs their ids")
    redrive.set_defaults(run=explaining(actions.redrive))

    discard = commands.add_parser(
        "discard",
        help="note that nobody needs items any more",
        description="Note that nobody needs items any more. They stay in the bucket, and can still be sent with "
        "redrive --again.",
    )
    discard.add_argument("--reason", required=True, metavar="TEXT", help="why; kept with your name and the time")
    discard.add_argument(
        "--all", action="store_true", help="everything; needed where neither ids nor filters are given"
    )
    discard.set_defaults(run=explaining(actions.discard))

    for command in (redrive, discard):
        command.add_argument("ids", nargs="*", metavar="ID", help="as list prints them; default: all that filters take")
        command.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    for command in (listing, redrive, discard):
        _add_filters(command)
        command.add_argument("--json", action="store_true", help="the result as JSON")
    for command in (listing, show, redrive, discard):
        add_place(command)
        command.add_argument("--bucket", metavar="NAME", help="the quarantine itself, instead of its dependency")


def _add_filters(command: argparse.ArgumentParser) -> None:
    filters = command.add_argument_group("filters")
    when = "ISO 8601 (UTC unless it says otherwise), or so long ago: 90m, 2h, 3d"
    filters.add_argument("--since", type=moment, metavar="TIME", help=f"quarantined then or later: {when}")
    filters.add_argument("--until", type=moment, metavar="TIME", help="quarantined before that")
    filters.add_argument(
        "--kind", action="append", default=[], choices=KINDS, help="how it failed; may be given several times"
    )
    filters.add_argument("--tenant", action="append", default=[], metavar="TENANT", help="may be given several times")
    filters.add_argument("--matching", metavar="TEXT", help="the reason holds that text")


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.01 to 10000")
    return number
