"""Which stream belongs to which provider, as the environment says it."""

import json
from collections.abc import Mapping

from lambdas.shared.environment import MissingSettingError, required


def streams(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Stream name by provider, from STREAMS: `{"slack": "<stream name>", ...}`.

    Raises:
        MissingSettingError: It is missing or not a JSON object of texts.
    """
    text = required(environment, "STREAMS")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise MissingSettingError(f"STREAMS must be a JSON object of stream names by provider, got {text!r}")
    return value
