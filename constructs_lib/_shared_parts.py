"""What two external dependencies share, read from synthesized templates.

A part of a dependency reaches what it refers to, and what is granted to its role. What invokes a function, or is granted
to a role, belongs to whoever the function or role belongs to. Producers of a stream refer to it and not the other way
round, so what they share with each other is no concern here.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

Template = Mapping[str, Any]

# Belongs to what it refers to by the named property: it is how that is invoked, or what that may do.
_BELONGS = {
    "AWS::Events::Rule": "Targets",
    "AWS::IAM::ManagedPolicy": "Roles",
    "AWS::IAM::Policy": "Roles",
    "AWS::IAM::RolePolicy": "RoleName",
    "AWS::Lambda::EventSourceMapping": "FunctionName",
    "AWS::Scheduler::Schedule": "Target",
}
# Watches, or acts while deploying: nothing that a record passes. A topic for operators may serve everybody.
_BESIDE_THE_WAY = ("AWS::CloudWatch::", "Custom::", "AWS::CloudFormation::CustomResource")

# Granted on `*` because these services have no resource to name; nothing of anybody's is reached with it.
_NAMELESS = ("xray:", "cloudwatch:", "logs:DescribeLogGroups")

_SECRET_REFERENCE = re.compile(r"\{\{resolve:(?:secretsmanager|ssm|ssm-secure):[^}]+\}\}")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A resource of a template.

    Attributes:
        template: Name of its template.
        logical_id: Its name there.
    """

    template: str
    logical_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Something that two dependencies both reach.

    Attributes:
        what: The resource; or, of something outside the templates, its ARN or reference as text.
        between: The two dependencies.
        through: The part of each by which it gets there; the thing itself where it is a part of that dependency.
    """

    what: Part | str
    between: tuple[str, str]
    through: tuple[Part, Part]


def shared_parts(templates: Mapping[str, Template], parts: Mapping[str, Set[Part]]) -> list[Shared]:
    """What any two dependencies share.

    Args:
        templates: Synthesized templates by name.
        parts: The parts of each dependency.

    Returns:
        Each shared thing once for every two dependencies that share it, in order; what both reach only behind another
        shared thing is left out.
    """
    graph = _Graph(templates)
    parts = {dependency: graph.with_rights(own) for dependency, own in sorted(parts.items())}
    reached = {dependency: graph.reached_from(own) for dependency, own in parts.items()}
    found = []
    for one, other in combinations(reached, 2):
        common = reached[one].keys() & reached[other].keys()
        # What lies behind something shared is reached because of that, and no news.
        by_one, by_other = (graph.reached_from(parts[each], no_further_than=common) for each in (one, other))
        news = common & by_one.keys() & by_other.keys()
        # Shared things may lead to each other in a circle, so that each lies behind another: then the nearest is named.
        while behind := common - news - graph.reached_from(news).keys():
            news.add(
                min(behind, key=lambda each: (max(reached[one][each].steps, reached[other][each].steps), str(each)))
            )
        found += [
            Shared(what=what, between=(one, other), through=(reached[one][what].by, reached[other][what].by))
            for what in sorted(news, key=str)
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """How something is reached: by which part, in how many steps."""

    by: Part
    steps: int


@dataclass(slots=True)
class _Graph:
    """Resources of all templates, with what each reaches."""

    templates: Mapping[str, Template]
    _belonging: dict[Part, list[Part]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, template in self.templates.items():
            for logical_id, resource in template.get("Resources", {}).items():
                belongs = _BELONGS.get(resource["Type"])
                if belongs is not None:
                    owners = _references(resource.get("Properties", {}).get(belongs))
                    for owner in owners & template["Resources"].keys():
                        self._belonging.setdefault(Part(name, owner), []).append(Part(name, logical_id))

    def with_rights(self, parts: Set[Part]) -> Set[Part]:
        """*parts*, and with their functions the roles these have and all that is granted to those."""
        roles = {
            Part(part.template, role)
            for part in parts
            for role in _references(self._properties(part).get("Role"))
            if role in self.templates[part.template]["Resources"]
        }
        return {*parts, *roles, *(policy for role in roles for policy in self._belonging.get(role, ()))}

    def _properties(self, part: Part) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.templates[part.template]["Resources"][part.logical_id].get(
            "Properties", {}
        )
        return properties

    def reached_from(
        self, start: Set[Part | str], *, no_further_than: Set[Part | str] = frozenset()
    ) -> dict[Part | str, _Way]:
        """Everything that can be reached from *start*, that included, each by the shortest way.

        What only lies behind something of *no_further_than* is not reached, unless that is itself in *start*.
        """
        parts = sorted(each for each in start if isinstance(each, Part))
        reached: dict[Part | str, _Way] = {}
        to_visit = deque((part, _Way(part, 0)) for part in parts)
        while to_visit:
            part, way = to_visit.popleft()
            if part in reached:
                continue
            reached[part] = way
            resource = self.templates[part.template]["Resources"][part.logical_id]
            if resource["Type"].startswith(_BESIDE_THE_WAY) or (part in no_further_than and part not in start):
                continue
            onward = _Way(part, way.steps + 1)
            to_visit += [(other, onward) for other in self._neighbours(part, resource)]
            for outside in _outside(resource, self.templates[part.template]["Resources"].keys()):
                reached.setdefault(outside, onward)
        return reached

    def _neighbours(self, part: Part, resource: Mapping[str, Any]) -> Iterator[Part]:
        mentioned = _references(resource.get("Properties", {}))
        for logical_id in sorted(mentioned & self.templates[part.template]["Resources"].keys()):
            yield Part(part.template, logical_id)
        yield from self._belonging.get(part, ())


def _references(value: Any) -> set[str]:
    """Names that a piece of template refers to."""
    match value:
        case {"Ref": str(name)} if len(value) == 1:
            return {name}
        case {"Fn::GetAtt": [str(name), *_]}:
            return {name}
        case {"Fn::Sub": sub}:
            text, variables = sub if isinstance(sub, list) else (sub, {})
            return {name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)} | _references(variables)
        case dict():
            return set().union(*map(_references, value.values())) if value else set()
        case list():
            return set().union(*map(_references, value)) if value else set()
    return set()


def _outside(resource: Mapping[str, Any], inside: Set[str]) -> Iterator[str]:
    """What *resource* reaches that is in no template: granted ARNs, other stacks' outputs, secrets by reference."""
    properties = resource.get("Properties", {})
    for document in _documents(resource["Type"], properties):
        for statement in document["Statement"]:
            actions, granted = _list(statement.get("Action")), _list(statement.get("Resource"))
            for each in granted:
                if not _references(each) & inside and not (each == "*" and _all_nameless(actions)):
                    yield as_text(each)
    yield from (as_text(each) for each in _imports(properties))
    yield from _SECRET_REFERENCE.findall(json.dumps(properties))


def _documents(kind: str, properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The policies that say what a role may do; those of a bucket or queue say who may come, and count with that."""
    if kind == "AWS::IAM::Role":
        return [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    return [properties["PolicyDocument"]] if kind.startswith("AWS::IAM::") and "PolicyDocument" in properties else []


def _all_nameless(actions: Iterable[Any]) -> bool:
    return all(isinstance(action, str) and action.startswith(_NAMELESS) for action in actions)


def _imports(value: Any) -> Iterator[Any]:
    """References to what other stacks give away."""
    if isinstance(value, dict):
        if value.keys() & {"Fn::ImportValue", "Fn::GetStackOutput"}:
            yield value
        else:
            for inner in value.values():
                yield from _imports(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _imports(inner)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def as_text(value: Any) -> str:
    """A reference as a person reads it: 'arn:<AWS::Partition>:sqs:...'; one value always gives one text."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(map(as_text, parts))
    return json.dumps(value, sort_keys=True)
