"""The answers a resolver keeps. No clock: callers say what time it is."""

from collections.abc import Callable

from constructs_lib.local.dns.selection import Answer


class AnswerCache:
    """Keeps each answer as long as its TTL allows, for each place that asks.

    Clients of one region share a resolver; those of another have their own.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, Answer]] = {}

    def answer(self, name: str, client: str, now: float, ask: Callable[[], Answer | None]) -> Answer | None:
        """The answer for *name* as a client in region *client* has it at *now* (seconds, of any clock).

        Args:
            name: Name asked for.
            client: Region of the client.
            now: The time.
            ask: Asks Route 53, if nothing is kept. That there is no answer is not kept.
        """
        expires, kept = self._kept.get((name, client), (now, None))
        if kept and now < expires:
            return kept
        found = ask()
        if found:
            self._kept[name, client] = (now + found.ttl, found)
        return found
