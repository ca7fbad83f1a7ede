"""Reading a function's settings."""

from collections.abc import Mapping


class MissingSettingError(Exception):
    """The function's environment lacks a setting or holds one that makes no sense."""


def required(environment: Mapping[str, str], name: str) -> str:
    """The setting *name*.

    Raises:
        MissingSettingError: It is absent or empty.
    """
    value = environment.get(name)
    if not value:
        raise MissingSettingError(f"{name} is not set; the app sets it where it defines the function")
    return value
