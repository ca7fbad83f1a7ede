"""What the providers were asked to show, and when."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button that a message shows."""

    action_id: str
    text: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A call for people in a message's thread."""

    level: int
    text: str
    arrived_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a message shows, read from what was posted; empty where a stranger's message does not say.

    Attributes:
        title: Its headline.
        link: The first place to look.
        alert_id, version, count, state, region, opened_at: From the record that travels with it unseen.
        buttons: What can be pressed.
    """

    title: str
    link: str = ""
    alert_id: str = ""
    version: int = 0
    count: int = 0
    state: str = ""
    region: str = ""
    opened_at: str = ""
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message at a provider.

    Attributes:
        provider: `slack` or `teams`.
        target: Channel or conversation.
        message_id: The provider's id of it.
        arrived_at: When it was first there.
        changed_at: When it was last posted or updated.
        shows: What it shows now.
        versions: Every version it has shown, in order.
        pages: Calls for people in its thread, in order.
        content: The post or update as received last.
    """

    provider: str
    target: str
    message_id: str
    arrived_at: str
    changed_at: str
    shows: Face
    versions: tuple[int, ...]
    pages: tuple[Page, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def latency_seconds(self) -> float | None:
        """From the alert's acceptance to the message's arrival; None where the message does not say when that was."""
        if not self.shows.opened_at:
            return None
        opened, arrived = (datetime.fromisoformat(text) for text in (self.shows.opened_at, self.arrived_at))
        return round((arrived - opened).total_seconds(), 3)

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the raw content."""
        return asdict(replace(self, content={})) | {"latency_seconds": self.latency_seconds}


class Record:
    """Everything the providers hold. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: dict[tuple[str, str], Message] = {}
        self._calls: Counter[tuple[str, str]] = Counter()
        self.revision = 0

    def messages(self, provider: str | None = None) -> list[Message]:
        """All messages, oldest first; of one provider, or of all."""
        with self._changed:
            return [each for each in self._messages.values() if provider in (None, each.provider)]

    def message(self, provider: str, message_id: str) -> Message | None:
        """One message."""
        with self._changed:
            return self._messages.get((provider, message_id))

    def calls(self) -> dict[str, dict[str, int]]:
        """Requests received, by provider and operation; those that a fault kept from the provider are `faulted`."""
        with self._changed:
            by_provider: dict[str, dict[str, int]] = {}
            for (provider, operation), number in self._calls.items():
                by_provider.setdefault(provider, {})[operation] = number
            return by_provider

    def wait_for(self, condition: Callable[["Record"], bool], *, seconds: float) -> bool:
        """Wait until *condition* holds, looking again at every change; return whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout=seconds)

    def clear(self) -> None:
        """Forget all messages and calls."""
        with self._changed:
            self._messages.clear()
            self._calls.clear()
            self._touch()

    def called(self, provider: str, operation: str) -> None:
        """A request has arrived."""
        with self._changed:
            self._calls[provider, operation] += 1
            self._touch()

    def posted(self, provider: str, target: str, message_id: str, *, shows: Face, content: dict[str, Any]) -> None:
        """A message is there."""
        now = moment()
        message = Message(
            provider=provider,
            target=target,
            message_id=message_id,
            arrived_at=now,
            changed_at=now,
            shows=shows,
            versions=(shows.version,),
            content=content,
        )
        with self._changed:
            self._messages[provider, message_id] = message
            self._touch()

    def updated(self, provider: str, message_id: str, *, shows: Face, content: dict[str, Any]) -> None:
        """A message shows something else."""
        with self._changed:
            known = self._messages[provider, message_id]
            self._messages[provider, message_id] = replace(
                known, changed_at=moment(), shows=shows, versions=(*known.versions, shows.version), content=content
            )
            self._touch()

    def paged(self, provider: str, message_id: str, *, level: int, text: str) -> None:
        """People were called to a message."""
        with self._changed:
            known = self._messages[provider, message_id]
            page = Page(level=level, text=text, arrived_at=moment())
            self._messages[provider, message_id] = replace(known, pages=(*known.pages, page))
            self._touch()

    def removed(self, provider: str, message_id: str) -> None:
        """Somebody has removed a message."""
        with self._changed:
            del self._messages[provider, message_id]
            self._touch()

    def touched(self) -> None:
        """Something beside the messages has changed; have those who watch look again."""
        with self._changed:
            self._touch()

    def _touch(self) -> None:
        self.revision += 1
        self._changed.notify_all()


class Ids:
    """Ids made of the time, each later than the one before, as Slack and Teams make them."""

    def __init__(self) -> None:
        self._last = 0

    def microseconds(self) -> int:
        """Microseconds since 1970."""
        self._last = max(self._last + 1, time.time_ns() // 1_000)
        return self._last


def moment() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
