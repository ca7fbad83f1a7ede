"""Template snapshots as YAML files that change only when the infrastructure does."""

import re
from typing import TYPE_CHECKING, Any

import yaml
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

if TYPE_CHECKING:
    from syrupy.types import SerializableData, SerializedData

# What CDK adds to every template, whatever the app says.
_ALWAYS_THERE = {"Parameters": {"BootstrapVersion"}, "Rules": {"CheckBootstrapVersion"}, "Resources": {"CDKMetadata"}}

_SCRUBBED = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<asset-hash>"),
    (re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}"), r"\1<version-hash>"),
)


def scrub(template: Any) -> Any:
    """*template* without what changes with code or CDK release only."""
    if isinstance(template, dict):
        return {
            scrub(key): scrub(value)
            for key, value in template.items()
            if not (isinstance(value, dict) and value and value.keys() <= _ALWAYS_THERE.get(key, set()))
        }
    if isinstance(template, list):
        return [scrub(item) for item in template]
    if isinstance(template, str):
        for pattern, replacement in _SCRUBBED:
            template = pattern.sub(replacement, template)
    return template


class TemplateSnapshotExtension(SingleFileSnapshotExtension):
    """One `.template.yaml` file per snapshot, keys sorted, hashes replaced."""

    _write_mode = WriteMode.TEXT
    file_extension = "template.yaml"

    def serialize(self, data: "SerializableData", **_options: Any) -> "SerializedData":
        """Render a template."""
        return yaml.dump(scrub(data), sort_keys=True, width=120)
