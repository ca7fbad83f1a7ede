"""Moments as an operator gives them."""

import argparse
import re
from datetime import UTC, datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read a moment in ISO 8601, or how long ago it was.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; give one such as 2026-01-31T12:00:00Z, or 90m, 2h, 3d for so long ago"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
