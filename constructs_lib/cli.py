"""The `resilience` command: run a CDK app on this machine, look at it while it runs, and break it."""

import argparse
import contextlib
import functools
import json
import signal
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import TYPE_CHECKING

from constructs_lib.local.errors import LocalCloudError

if TYPE_CHECKING:
    from constructs_lib.local.cloud import LocalCloud
    from constructs_lib.local.faults.client import FaultsClient


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; *arguments* default to those of the process. Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Asked to end from outside is as good as Ctrl-C: everything started is stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        print("The local cloud needs boto3; install constructs-lib[local].", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="resilience", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('constructs-lib')}")
    subjects = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_faults(subjects.add_parser("fault", help="break a running local cloud, and mend it"))
    local = subjects.add_parser("local", help="a CDK app on this machine, without an AWS account")
    commands = local.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser(
        "up",
        help="deploy the app and run it until Ctrl-C",
        description="Start the local cloud, deploy every stack of the app with the CDK CLI, and run it until Ctrl-C.",
        epilog='Example: resilience local up --app "python app.py" -c stage=test',
    )
    up.add_argument(
        "--app", metavar="COMMAND", help="what runs the app, or a folder it was synthesized to; default: cdk.json's"
    )
    up.add_argument(
        "--context",
        "-c",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_pair,
        help="context value for the app",
    )
    up.add_argument("--region", default="us-east-1", help="region of stacks that name none; default: %(default)s")
    up.set_defaults(run=_up)

    report = commands.add_parser(
        "report", help="what is different from AWS", description="What of the app is left out or different from AWS."
    )
    report.set_defaults(run=_report)

    logs = commands.add_parser(
        "logs", help="logs of a function", description="Logs of every function called like NAME."
    )
    logs.add_argument("name", metavar="NAME", help="name of a function or log group, or a part of it")
    logs.add_argument("--follow", "-f", action="store_true", help="wait for more until Ctrl-C")
    logs.set_defaults(run=_logs)

    status = commands.add_parser(
        "status",
        help="how it is now",
        description="Regions, stacks, stream mappings with position and lag, queues, global tables, names, faults.",
    )
    status.add_argument("--json", action="store_true", help="everything there is to know, as JSON")
    status.set_defaults(run=_status)

    for command in (up, report, logs, status):
        _add_port(command)
    return parser


def _add_faults(fault: argparse.ArgumentParser) -> None:
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
    start.set_defaults(run=_start_fault)

    stop = commands.add_parser("stop", help="end a fault")
    which = stop.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", help="as start and list print it")
    which.add_argument("--all", action="store_true", help="end every fault")
    stop.set_defaults(run=_stop_fault)

    listing = commands.add_parser("list", help="what is broken now")
    listing.set_defaults(run=_list_faults)
    for command in (region, partition, operation, stop, listing):
        _add_port(command)


def _add_port(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=4566, help="port of the local cloud; default: %(default)s")


def _up(options: argparse.Namespace) -> None:
    from constructs_lib.local.cloud import LocalCloud  # noqa: PLC0415 - boto3 comes with an extra

    context = dict(options.context)
    with LocalCloud(app=options.app, context=context, region=options.region, port=options.port, progress=_say) as cloud:
        for stack in cloud.stacks:
            for name, value in stack.outputs.items():
                print(f"{stack.name}.{name} = {value}{_answered_at(cloud, value)}")
        if cloud.report.left_out:
            print(f"{len(cloud.report.left_out)} resources are left out: resilience local report")
        if cloud.route53:
            print(f"The app's names are answered at {cloud.route53.url}, by the Host header")
        took = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in cloud.timings.items())
        print(f"AWS answers at {cloud.endpoint_url} (seconds: {took}). Ctrl-C stops it.", flush=True)
        while True:
            cloud.check()
            time.sleep(0.5)


def _answered_at(cloud: "LocalCloud", value: str) -> str:
    with contextlib.suppress(LocalCloudError):
        if ".execute-api." in value:
            return f" -> {cloud.local_url(value)}"
    return ""


def _report(options: argparse.Namespace) -> None:
    from constructs_lib.local import running  # noqa: PLC0415 - as above

    print(running.report(running.default_work_directory(options.port)), end="")


def _logs(options: argparse.Namespace) -> None:
    from constructs_lib.local import deployment, logs, running  # noqa: PLC0415 - as above

    cloud = running.find(running.default_work_directory(options.port))
    client = functools.partial(deployment.client, cloud.endpoint_url, cloud.account)
    groups = logs.log_groups(options.name, cloud.regions, client)
    for line in logs.lines(groups, client, follow=options.follow):
        print(line, flush=True)


def _status(options: argparse.Namespace) -> None:
    from constructs_lib.local import status  # noqa: PLC0415 - as above

    found = _control(options).status()
    print(json.dumps(found, indent=1) if options.json else "\n".join(status.lines(found)))


def _start_fault(options: argparse.Namespace) -> None:
    from constructs_lib.local.faults.model import from_json  # noqa: PLC0415 - as above

    names = ("kind", "region", "regions", "service", "operation", "mode", "by")
    print(_control(options).start(from_json({name: getattr(options, name) for name in names if name in options})))


def _stop_fault(options: argparse.Namespace) -> None:
    _control(options).stop(options.id)


def _list_faults(options: argparse.Namespace) -> None:
    for fault in _control(options).faults():
        print(json.dumps(fault))


def _control(options: argparse.Namespace) -> "FaultsClient":
    from constructs_lib.local import running  # noqa: PLC0415 - as above
    from constructs_lib.local.faults.client import FaultsClient  # noqa: PLC0415 - as above

    return FaultsClient(running.find(running.default_work_directory(options.port)).endpoint_url)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


def _say(text: str) -> None:
    print(f"· {text}", flush=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
