"""Bootstrap and deploy a cloud assembly to the emulator with the real CDK CLI."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.local import cdk_cli, processes
from constructs_lib.local.assembly import DEFAULT_QUALIFIER, Stack
from constructs_lib.local.errors import LocalCloudError

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_SECRET = "local"  # noqa: S105 - the emulator does not look at it
_STACK_EVENT = re.compile(
    r"^(?P<stack>\S+) \|\s*(?P<done>\d+)(?:/\d+)? \| [^|]+ \| (?P<status>[A-Z_]+) *\| (?P<type>\S+) *\| (?P<rest>.*)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedStack:
    """One stack as CloudFormation knows it.

    Attributes:
        name: Its name.
        region: Where it is.
        outputs: Output key to value.
        resources: Logical id to (resource type, physical id).
    """

    name: str
    region: str
    outputs: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]


class Deployment:
    """The CDK CLI pointed at the emulator.

    Args:
        endpoint_url: Where the emulator answers.
        home: Folder for what the CLI keeps between calls; the user's own ~/.cdk is not touched.
        account: Account everything is deployed to. Default: 000000000000.
        region: Region of stacks that name none. Default: us-east-1.
        progress: Called with a short line for each step. Default: nobody is told.
    """

    def __init__(
        self,
        endpoint_url: str,
        home: Path,
        *,
        account: str = DEFAULT_ACCOUNT,
        region: str = DEFAULT_REGION,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.endpoint_url = endpoint_url
        self.account = account
        self.region = region
        self._home = home
        self._progress = progress or (lambda _line: None)

    def synthesize(self, app: str | None, target: Path, *, context: Mapping[str, str], directory: Path) -> None:
        """Run the app into a cloud assembly.

        Args:
            app: Command line of the app. None: the one in cdk.json.
            target: Folder the assembly is written to.
            context: Context values, beside those of cdk.json.
            directory: Where the app runs.

        Raises:
            LocalCloudError: If the app fails; its own message precedes on the progress lines.
        """
        arguments = ["synth", "--quiet", "--output", str(target)]
        arguments += ["--app", app] if app else []
        for name, value in context.items():
            arguments += ["--context", f"{name}={value}"]
        said: list[str] = []
        if self._cdk(arguments, said.append, directory):
            for line in said:
                self._progress(line)
            raise LocalCloudError("The app could not be synthesized; its message stands above.")

    def bootstrap(self, environments: Sequence[tuple[str, str]]) -> None:
        """Create what the CDK CLI needs in each (qualifier, region); the regions are done at the same time.

        Raises:
            LocalCloudError: If it fails.
        """
        for qualifier in dict.fromkeys(qualifier for qualifier, _ in environments):
            targets = [f"aws://{self.account}/{region}" for named, region in environments if named == qualifier]
            options = []
            if qualifier != DEFAULT_QUALIFIER:
                options = ["--qualifier", qualifier, "--toolkit-stack-name", f"CDKToolkit-{qualifier}"]
            said: list[str] = []
            # Run away from any cdk.json: the app has no say here.
            if self._cdk(["bootstrap", *targets, *options], said.append, self._home):
                raise LocalCloudError(f"Bootstrapping {', '.join(targets)} failed: {_complaint(said)}")

    def deploy(self, assembly: Path, stacks: Sequence[Stack]) -> tuple[DeployedStack, ...]:
        """Deploy every stack of *assembly*; independent stacks are deployed at the same time.

        Raises:
            LocalCloudError: If a stack cannot be deployed; the message says which and why.
        """
        said: list[str] = []

        def on_line(line: str) -> None:
            said.append(line)
            if text := _short(line):
                self._progress(text)

        arguments = ["deploy", "--all", "--app", str(assembly), "--concurrency", "8", "--require-approval", "never"]
        # Directly, without a change set: nobody reviews one here. The events make the progress lines.
        arguments += ["--method", "direct", "--progress", "events"]
        if self._cdk(arguments, on_line, self._home):
            raise LocalCloudError(f"The app could not be deployed: {self._reason(stacks) or _complaint(said)}")
        return tuple(self._describe(stack) for stack in stacks)

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client that talks to the emulator; *region* is by default that of stacks that name none."""
        return client(self.endpoint_url, self.account, service, region or self.region)

    def environment(self) -> dict[str, str]:
        """The environment in which AWS tools talk to the emulator, and to it alone."""
        # Nothing of the user's own AWS configuration: no profile, no session, no real account.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | {
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # A proxy may be needed for the app's own downloads, never for the emulator.
            "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"))),
        }

    def _cdk(self, arguments: Sequence[str], on_line: Callable[[str], None], directory: Path) -> int:
        self._home.mkdir(parents=True, exist_ok=True)
        return processes.run(
            cdk_cli.command([*arguments, "--no-color", "--ci", "--no-notices"]),
            on_line=on_line,
            environment=cdk_cli.environment(self.environment()) | {"CDK_HOME": str(self._home)},
            directory=directory,
        )

    def _reason(self, stacks: Sequence[Stack]) -> str | None:
        """What failed first, as CloudFormation tells it."""
        for stack in stacks:
            try:
                events = self._cloudformation(stack).describe_stack_events(StackName=stack.name)["StackEvents"]
            except (BotoCoreError, ClientError):
                continue
            for event in reversed(events):
                if event["ResourceStatus"].endswith("_FAILED"):
                    return (
                        f"{stack.name}: {event['LogicalResourceId']} ({event['ResourceType']}): "
                        f"{event.get('ResourceStatusReason', event['ResourceStatus'])}"
                    )
        return None

    def _describe(self, stack: Stack) -> DeployedStack:
        cloudformation = self._cloudformation(stack)
        description = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        return DeployedStack(
            name=stack.name,
            region=stack.region or self.region,
            outputs={output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())},
            resources={
                resource["LogicalResourceId"]: (resource["ResourceType"], resource.get("PhysicalResourceId", ""))
                for page in pages
                for resource in page["StackResourceSummaries"]
            },
        )

    def _cloudformation(self, stack: Stack) -> Any:
        return self.client("cloudformation", stack.region)


def client(endpoint_url: str, account: str, service: str, region: str) -> Any:
    """A boto3 client for *service* of the emulator at *endpoint_url*."""
    factory: Any = boto3.client
    return factory(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        # The emulator takes an access key id of twelve digits for the account it belongs to. The CDK CLI keeps the
        # account of every key id it meets: this way what it keeps is right.
        aws_access_key_id=account,
        aws_secret_access_key=_SECRET,
    )


def _short(line: str) -> str | None:
    """A line of the CLI as one short line of progress, or None if it says nothing new to a reader."""
    if (event := _STACK_EVENT.match(line)) is None:
        return None
    stack, status, kind = event["stack"], event["status"], event["type"]
    if status.endswith("_FAILED"):
        return f"{stack}: {kind} {event['rest']}".rstrip()
    if kind == "AWS::CloudFormation::Stack" and status.endswith("_COMPLETE"):
        return f"{stack}: {status.replace('_', ' ').lower()}"
    return None


def _complaint(said: Sequence[str]) -> str:
    """What the CLI gives as the reason of its failure: the lines it marks, else its last ones."""
    marked = [line.strip(" ‣") for line in said if line.startswith(("❌", "‣"))]
    return " ".join((marked or [line for line in said if line])[-3:])
