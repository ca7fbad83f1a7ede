"""From a synthesized cloud assembly to what the emulator can deploy, with an account of every difference.

The assembly is read, never edited: what is deployed is a copy. In it, a resource the emulator would refuse is left
out, and whatever refers to it gets a placeholder; the report names each of them.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.limits import DIFFERENCES, STAND_INS, UNDEPLOYABLE
from constructs_lib.local.placeholders import Replacement

DEFAULT_QUALIFIER = "hnb659fds"
_PACKED_ASSETS = ".cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One stack of an assembly.

    Attributes:
        name: Its name in CloudFormation.
        account: Account id; None when the app leaves it to the CLI.
        region: Region; None when the app leaves it to the CLI.
        qualifier: Which bootstrap resources it uses.
    """

    name: str
    account: str | None
    region: str | None
    qualifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A resource that does not exist in the local cloud.

    Attributes:
        template: Name of the template it was in.
        logical_id: Its name in that template.
        resource_type: Its CloudFormation type.
        reason: Why it was left out.
        stand_in: What does its work instead.
        referred_to_by: What refers to it and got a placeholder: resources and outputs of the template.
    """

    template: str
    logical_id: str
    resource_type: str
    reason: str
    stand_in: str
    referred_to_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How what runs here differs from what the assembly says.

    Attributes:
        left_out: Resources that do not exist here.
        differences: What exists but behaves differently, by resource type.
    """

    left_out: tuple[LeftOut, ...] = ()
    differences: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The report as text for a person."""
        if not self.left_out:
            yield "Everything in the templates is deployed."
        else:
            yield "Left out:"
        for item in self.left_out:
            yield f"  {item.template} {item.logical_id} ({item.resource_type}): {item.reason}; {item.stand_in}"
            if item.referred_to_by:
                yield f"    refer to it, and got a placeholder: {', '.join(item.referred_to_by)}"
        if self.differences:
            yield "Different from AWS:"
        for resource_type, text in self.differences.items():
            yield f"  {resource_type}: {text}"


def stacks(assembly: Path) -> tuple[Stack, ...]:
    """The stacks of *assembly*, those of its stages included.

    Raises:
        LocalCloudError: If *assembly* is not a synthesized cloud assembly.
    """
    try:
        artifacts = json.loads((assembly / "manifest.json").read_text()).get("artifacts", {})
    except (OSError, ValueError) as error:
        raise LocalCloudError(f"{assembly} is not a cloud assembly: it has no readable manifest.json.") from error
    found: list[Stack] = []
    for name, artifact in artifacts.items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:cloud-assembly":
            found += stacks(assembly / properties["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            account, region = artifact["environment"].removeprefix("aws://").split("/")
            # /cdk-bootstrap/<qualifier>/version
            parameter = properties.get("bootstrapStackVersionSsmParameter", "").split("/")
            found.append(
                Stack(
                    name=properties.get("stackName", name),
                    account=None if account.startswith("unknown-") else account,
                    region=None if region.startswith("unknown-") else region,
                    qualifier=parameter[2] if len(parameter) == 4 else DEFAULT_QUALIFIER,
                )
            )
    return tuple(found)


def derive(assembly: Path, target: Path, *, deployable: frozenset[str]) -> Report:
    """Write to *target* a copy of *assembly* that the emulator can deploy, and report what is different.

    A template keeps its asset name although its content may change: what a template becomes follows from it alone,
    and the emulator starts empty.

    Args:
        assembly: Folder of a synthesized cloud assembly.
        target: Folder of the copy; what was there is replaced.
        deployable: Resource types the emulator knows.

    Raises:
        LocalCloudError: If *assembly* is not a synthesized cloud assembly.
    """
    stacks(assembly)
    _clear(target)
    left_out: list[LeftOut] = []
    differences: set[tuple[str, str | None, str]] = set()
    for source, copy in _files(assembly, target):
        if not source.name.endswith(".template.json"):
            shutil.copyfile(source, copy)
            continue
        template = json.loads(source.read_text())
        left_out += _leave_out(template, source.name.removesuffix(".template.json"), deployable)
        differences |= _differences(template)
        copy.write_text(json.dumps(template, indent=1))
    return Report(tuple(left_out), _by_type(differences))


def _clear(target: Path) -> None:
    """Remove everything but the CDK CLI's packed assets, which it finds again by their hash: packing takes seconds."""
    for entry in target.iterdir() if target.exists() else ():
        if entry.is_dir() and not entry.is_symlink():
            if entry.name != _PACKED_ASSETS:
                shutil.rmtree(entry)
        else:
            entry.unlink()


def _files(assembly: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Every file of the assembly and of those within it, with the place of its copy."""
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(assembly.iterdir()):
        copy = target / source.name
        if source.name.startswith("asset."):
            # Thousands of files that are only read.
            copy.symlink_to(source.resolve())
        elif source.name == _PACKED_ASSETS:
            continue
        elif source.is_dir():
            yield from _files(source, copy)
        else:
            yield source, copy


def _differences(template: Mapping[str, Any]) -> set[tuple[str, str | None, str]]:
    resources = template.get("Resources", {}).values()
    return {
        (resource_type, option, text)
        for resource_type, option, text in DIFFERENCES
        if any(
            resource["Type"] == resource_type and (option is None or option in resource.get("Properties", {}))
            for resource in resources
        )
    }


def _by_type(differences: Set[tuple[str, str | None, str]]) -> dict[str, str]:
    """One text for each type, in the order of `DIFFERENCES`; what is true of an option names it."""
    texts: dict[str, list[str]] = {}
    for resource_type, option, text in sorted((each for each in DIFFERENCES if each in differences), key=itemgetter(0)):
        texts.setdefault(resource_type, []).append(f"{option}: {text}" if option else text)
    return {resource_type: "; ".join(each) for resource_type, each in texts.items()}


def _leave_out(template: dict[str, Any], name: str, deployable: frozenset[str]) -> list[LeftOut]:
    """Take what cannot be deployed out of *template*, and put placeholders where something refers to it."""
    resources: dict[str, Any] = template.get("Resources", {})
    # A transform brings types of its own, which are gone once it has run.
    accepted = ("Custom::", "AWS::Serverless::") if template.get("Transform") else ("Custom::",)
    reasons: dict[str, tuple[str, str]] = {}
    for logical_id, resource in resources.items():
        kind = resource["Type"]
        if reason := _undeployable(kind, resource.get("Properties", {})):
            reasons[logical_id] = (kind, reason)
        elif kind not in deployable and not kind.startswith(accepted):
            reasons[logical_id] = (kind, "the emulator does not know the type")
    for logical_id in reasons:
        del resources[logical_id]
    referrers: dict[str, list[str]] = {logical_id: [] for logical_id in reasons}
    for section in ("Resources", "Outputs"):
        for owner, content in template.get(section, {}).items():
            replacement = Replacement(frozenset(reasons))
            template[section][owner] = replacement.apply(content)
            for logical_id in sorted(replacement.seen):
                referrers[logical_id].append(owner)
    return [
        LeftOut(
            template=name,
            logical_id=logical_id,
            resource_type=kind,
            reason=reason,
            stand_in=STAND_INS.get(kind, "nothing stands in for it"),
            referred_to_by=tuple(referrers[logical_id]),
        )
        for logical_id, (kind, reason) in reasons.items()
    ]


def _undeployable(kind: str, properties: Mapping[str, Any]) -> str | None:
    for resource_type, option, reason in UNDEPLOYABLE:
        if resource_type == kind and (option is None or option in properties):
            return reason
    return None
