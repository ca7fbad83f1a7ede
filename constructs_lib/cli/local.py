"""`resilience local`: a CDK app on this machine, and how it is while it runs."""

import argparse
import contextlib
import functools
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from constructs_lib.cli import breaker
from constructs_lib.cli.running import Subjects, add_port, control, find, say
from constructs_lib.local import running
from constructs_lib.local.errors import LocalCloudError

if TYPE_CHECKING:
    from constructs_lib.local.cloud import LocalCloud


def add(subjects: Subjects) -> None:
    """Add the commands of this group."""
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
        add_port(command)


def _up(options: argparse.Namespace) -> None:
    from constructs_lib.local.cloud import LocalCloud  # noqa: PLC0415 - boto3 comes with an extra

    context = dict(options.context)
    with LocalCloud(app=options.app, context=context, region=options.region, port=options.port, progress=say) as cloud:
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
    print(running.report(running.default_work_directory(options.port)), end="")


def _logs(options: argparse.Namespace) -> None:
    from constructs_lib.local import deployment, logs  # noqa: PLC0415 - as above

    cloud = find(options)
    client = functools.partial(deployment.client, cloud.endpoint_url, cloud.account)
    groups = logs.log_groups(options.name, cloud.regions, client)
    for line in logs.lines(groups, client, follow=options.follow):
        print(line, flush=True)


def _status(options: argparse.Namespace) -> None:
    from constructs_lib.local import status  # noqa: PLC0415 - as above

    found = control(options).status()
    circuits = _circuits(options.port, [each["name"] for each in found["regions"] if not each["lost"]])
    if options.json:
        print(json.dumps(found | {"circuits": circuits}, indent=1))
        return
    for line in (*status.lines(found), *(line for each in circuits for line in _circuit_lines(each))):
        print(line)


def _circuit_lines(found: Mapping[str, Any]) -> Iterable[str]:
    if "problem" in found:
        return [f"circuits in {found['region']} cannot be read: {found['problem']}"]
    return (f"circuit of {line}" if not line.startswith(" ") else line for line in breaker.lines(found))


def _circuits(port: int, regions: Sequence[str]) -> list[dict[str, Any]]:
    """The circuits of the app's dependencies; of a lost region nobody knows."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    from constructs_lib.operations import breaker as operations  # noqa: PLC0415 - as above
    from constructs_lib.operations.errors import OperationError  # noqa: PLC0415 - as above
    from constructs_lib.operations.place import in_local_cloud  # noqa: PLC0415 - as above

    found: list[dict[str, Any]] = []
    for region in regions:
        try:
            found += map(breaker.as_json, operations.find(in_local_cloud(port, region), dependency=None))
        except OperationError:
            # An app need not have dependencies.
            continue
        except (BotoCoreError, ClientError) as error:
            # What a fault hits may be just what is asked here.
            found.append({"region": region, "problem": str(error)})
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value
