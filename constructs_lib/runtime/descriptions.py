"""What may be said about a failure in logs and beside a payload: enough to act on, without secrets or payloads."""

import re
import traceback
from pathlib import PurePath

_MOST_CHARACTERS = 500
_MOST_FRAMES = 5

# Where credentials show up in messages of HTTP clients and SDKs. What follows a host may be one (webhooks).
_SECRETS = (
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://)(?:[^\s/@]*@)?([^\s/?#'\")]+)[^\s'\")]*", re.IGNORECASE), r"\1\2/***"),
    (re.compile(r"\b(with url: )\S+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(bearer|basic) [\w.~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\bxox[a-z]-[\w-]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "***"),
    (
        re.compile(
            r"((?:token|secret|password|passwd|signature|credential|authorization|api[_-]?key)['\"]?\s*[:=]\s*['\"]?)"
            r"(?!bearer \*|basic \*)[^\s'\",&;)]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def clean(text: str) -> str:
    """Return *text* without what looks like a credential, without control characters, and cut to 500 characters."""
    # Cut generously first: the patterns must not run over megabytes.
    text = text[: 8 * _MOST_CHARACTERS]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def describe(error: BaseException) -> str:
    """Return class and message of *error*, the message cleaned."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not become the failure of the whole batch
        message = "(its message cannot be shown)"
    name = type(error).__name__
    return clean(f"{name}: {message}" if message else name)


def where(error: BaseException) -> list[str]:
    """Return the innermost places *error* came through, without source lines or values."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return [f"{'/'.join(PurePath(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in frames]
