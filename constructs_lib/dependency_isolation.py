"""DependencyIsolation: a rule that no two external dependencies of an app share anything that was not declared."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import jsii
from aws_cdk import (
    Acknowledgment,
    CfnResource,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
    Stack,
    Validations,
)
from constructs import Construct, IConstruct

from constructs_lib._dependency_parts import METADATA, part_of_dependency
from constructs_lib._shared_parts import Part, Shared, as_text, shared_parts

__all__ = ["DependencyIsolation", "declare_shared", "part_of_dependency"]

_PLUGIN = "DependencyIsolation"
_RULE = "SharedBetweenDependencies"


def declare_shared(scope: Construct, *shared: IConstruct | str, reason: str) -> None:
    """Say that dependencies inside *scope* may share something, and why that does no harm.

    Args:
        scope: The app, a stack, or any construct that holds all that shares it.
        shared: Constructs, or ARNs of things that the app does not define, as they are granted.
        reason: Why trouble of one dependency cannot reach another by it.
    """
    for each in shared:
        what = as_text(Stack.of(scope).resolve(each)) if isinstance(each, str) else _resource_path(each)
        Validations.of(scope).acknowledge(Acknowledgment(id=f"{_PLUGIN}::{_rule(what)}", reason=reason))


@jsii.implements(IPolicyValidationPlugin)
class DependencyIsolation:
    """Refuse to synthesize an app in which two external dependencies share something that was not declared shared.

    Register it once: `Validations.of(app).add_plugins(DependencyIsolation())`. It looks at every
    `IsolatedDependencyStream` and its consumer, and at what `part_of_dependency` names, follows what they refer to and
    what their roles may reach, and reports every resource, role, key, secret, function or granted ARN that two
    dependencies arrive at. Alarms and what they notify are left out: they watch records and carry none.

    What may be shared is declared with its reason by `declare_shared`; what lies behind it is then shared too.
    """

    @property
    def name(self) -> str:
        """Name of the plugin in reports, and prefix of the ids that declare something shared."""
        return _PLUGIN

    @property
    def rule_ids(self) -> list[str]:
        """Its one rule."""
        return [_RULE]

    @property
    def version(self) -> None:
        """None: it comes with the library."""
        return

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Report what is shared. CDK calls it after the templates are written."""
        paths = {Path(stack.template_path).name: Path(stack.template_path) for stack in context.stack_templates}
        templates = {name: json.loads(path.read_text()) for name, path in paths.items()}
        tree = _Tree(context.app_construct)
        violations = [_violation(shared, tree, paths) for shared in shared_parts(templates, tree.parts)]
        return PolicyValidationPluginReport(success=not violations, violations=violations)


class _Tree:
    """The construct tree, as far as the rule asks for it."""

    def __init__(self, root: IConstruct) -> None:
        self.parts: dict[str, set[Part]] = {}
        self._paths: dict[Part, str] = {}
        constructs = root.node.find_all()
        for construct in constructs:
            if CfnResource.is_cfn_resource(construct):
                resource = cast("CfnResource", construct)
                stack = Stack.of(resource)
                part = Part(stack.template_file, str(stack.resolve(resource.logical_id)))
                self._paths[part] = resource.node.path
        for construct in constructs:
            for dependency in _dependencies(construct):
                inside = construct.node.path
                self.parts.setdefault(dependency, set()).update(
                    part for part, path in self._paths.items() if path == inside or path.startswith(f"{inside}/")
                )

    def name(self, what: Part | str) -> str:
        """What a person knows it by: the path of a construct, or the text of a reference."""
        return what if isinstance(what, str) else self._paths.get(what, what.logical_id)


def _violation(shared: Shared, tree: _Tree, paths: Mapping[str, Path]) -> PolicyViolation:
    one, other = shared.between
    what = tree.name(shared.what)
    through = " and ".join(dict.fromkeys(repr(tree.name(part)) for part in shared.through))
    where = shared.through[0] if isinstance(shared.what, str) else shared.what
    return PolicyViolation(
        rule_name=_rule(what),
        description=f"Dependencies {one!r} and {other!r} share {what!r}, through {through}: trouble of one can reach the "
        "other by it.",
        fix="Give each dependency its own. Where sharing does no harm, say why: declare_shared(stack, ..., reason=...).",
        violating_resources=[
            PolicyViolatingResource(
                resource_logical_id=where.logical_id, template_path=str(paths[where.template]), locations=[]
            )
        ],
    )


def _rule(what: str) -> str:
    return f"{_RULE}[{what}]"


def _resource_path(construct: IConstruct) -> str:
    resource = construct if CfnResource.is_cfn_resource(construct) else construct.node.default_child
    if resource is None:
        raise ValueError(
            f"shared must be resources or ARNs, got {construct.node.path!r}, which is no resource of this app; give its "
            "ARN as it is granted"
        )
    return resource.node.path


def _dependencies(construct: IConstruct) -> Iterator[str]:
    for entry in construct.node.metadata:
        if entry.type == METADATA:
            yield str(entry.data)
