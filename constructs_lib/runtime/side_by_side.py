"""A few calls to AWS at the same time, where their order does not matter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from constructs_lib.runtime.crew import Crew

_T = TypeVar("_T")
_R = TypeVar("_R")

# One core makes some thousand calls a second, however many threads wait for them: a handful hides the way to AWS and
# back, more would hide nothing.
_MOST = 4


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


class SideBySide:
    """Threads for calls, kept from one invocation to the next.

    Where several threads have something to do at once, the first one gets help, and the others do theirs themselves.
    """

    def __init__(self) -> None:
        self._crew: Crew[tuple[int, Any]] = Crew()
        self._busy = Lock()

    def map(self, function: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
        """Return what *function* makes of each thing, in the order of *things*.

        Raises:
            BaseException: Whatever a call raised first, when all that had begun have ended; the rest does not begin.
        """
        if len(things) <= 1 or not self._busy.acquire(blocking=False):
            return [function(thing) for thing in things]
        try:
            return self._map(function, things)
        finally:
            self._busy.release()

    def _map(self, function: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
        def task(index: int) -> tuple[int, _R | _Raised]:
            try:
                return index, function(things[index])
            except BaseException as error:  # noqa: BLE001 - it is raised again by the caller's thread
                return index, _Raised(error)

        results: dict[int, _R] = {}
        raised: list[_Raised] = []
        waiting = list(range(len(things)))
        running = 0
        while running or (waiting and not raised):
            while waiting and running < _MOST and not raised:
                index = waiting.pop(0)
                self._crew.begin(lambda index=index: task(index))  # type: ignore[misc]
                running += 1
            for index, result in self._crew.ended(within=1.0):
                running -= 1
                if isinstance(result, _Raised):
                    raised.append(result)
                else:
                    results[index] = result
        if raised:
            raise raised[0].error
        return [results[index] for index in range(len(things))]
