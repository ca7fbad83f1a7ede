"""Points in time as text that sorts: ISO 8601, UTC, milliseconds, `2026-11-21T03:40:00.123Z`."""

from datetime import UTC, datetime, timedelta


def now() -> str:
    """This moment."""
    return render(datetime.now(UTC))


def render(moment: datetime) -> str:
    """*moment* as text; it must carry a time zone."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that *text* names; raises ValueError when it names none or lacks a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {text!r} has no time zone; append Z or an offset")
    return moment


def later(text: str, *, by: timedelta) -> str:
    """The moment *by* after *text*."""
    return render(parse(text) + by)
