"""The `resilience` command: run a CDK app on this machine and look at it while it runs."""

import argparse
import contextlib
import functools
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
    local = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "local", help="a CDK app on this machine, without an AWS account"
    )
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

    for command in (up, report, logs):
        command.add_argument("--port", type=int, default=4566, help="port of the local cloud; default: %(default)s")
    return parser


def _up(options: argparse.Namespace) -> None:
    from constructs_lib.local.cloud import LocalCloud  # noqa: PLC0415 - boto3 comes with an extra

    context = dict(options.context)
    with LocalCloud(app=options.app, context=context, region=options.region, port=options.port, progress=_say) as cloud:
        for stack in cloud.stacks:
            for name, value in stack.outputs.items():
                print(f"{stack.name}.{name} = {value}{_answered_at(cloud, value)}")
        if cloud.report.left_out:
            print(f"{len(cloud.report.left_out)} resources are left out: resilience local report")
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
