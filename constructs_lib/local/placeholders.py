"""What stands in a template where it refers to a resource that was left out."""

import re
from typing import Any

_PLACEHOLDER = "left-out-of-the-local-cloud"


class Replacement:
    """Replaces references to resources that are gone, and remembers which it met.

    Args:
        gone: Logical ids of the resources.

    Attributes:
        seen: Those of them that something referred to.
    """

    def __init__(self, gone: frozenset[str]) -> None:
        self.gone = gone
        self.seen: set[str] = set()

    def apply(self, node: Any) -> Any:
        """*node*, a part of a template, with placeholders."""
        if not isinstance(node, dict):
            return [self.apply(value) for value in node] if isinstance(node, list) else node
        match node:
            case {"Ref": str(path)} | {"Fn::GetAtt": str(path)} if path.partition(".")[0] in self.gone:
                return self._placeholder(path)
            case {"Fn::GetAtt": [str(logical_id), attribute]} if logical_id in self.gone:
                return self._placeholder(f"{logical_id}.{attribute}")
            case {"Fn::Sub": [str(text), variables]}:
                return {"Fn::Sub": [self._in_text(text), self.apply(variables)]}
            case {"Fn::Sub": str(text)}:
                return {"Fn::Sub": self._in_text(text)}
            case {"Type": str(), "DependsOn": depends}:
                node = {**node, "DependsOn": self._kept(depends)}
        return {name: self.apply(value) for name, value in node.items()}

    def _kept(self, depends: Any) -> Any:
        return [one for one in ([depends] if isinstance(depends, str) else depends) if one not in self.gone]

    def _in_text(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            return self._placeholder(match[1]) if match[1].partition(".")[0] in self.gone else match[0]

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _placeholder(self, path: str) -> str:
        logical_id, _, attribute = path.partition(".")
        self.seen.add(logical_id)
        return f"arn:aws:{_PLACEHOLDER}:::{logical_id}" if attribute.endswith("Arn") else f"{_PLACEHOLDER}-{logical_id}"
