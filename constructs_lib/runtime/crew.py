"""Threads that carry out tasks side by side, kept from one invocation to the next."""

import contextvars
from _thread import start_new_thread
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Crew(Generic[_T]):
    """As many threads as have been needed at once so far.

    A thread sees the context variables of whoever gave it the task, so that log keys set there appear on its lines too;
    what it sets itself is gone with the task. The threads end with the process and hold it up in nothing.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[contextvars.Context, Callable[[], _T]]] = SimpleQueue()
        self._results: SimpleQueue[_T] = SimpleQueue()
        self._threads = 0
        self._at_work = 0

    def begin(self, task: Callable[[], _T]) -> None:
        """Have *task* carried out; it must not raise."""
        self._at_work += 1
        self._tasks.put((contextvars.copy_context(), task))
        if self._at_work > self._threads:
            self._threads += 1
            # `Thread.start` waits until the thread has come to life, behind all those that are at work already: for a
            # hundred of them that takes longer than their calls.
            start_new_thread(self._work, ())

    def ended(self, *, within: float) -> list[_T]:
        """Wait for at most so many seconds until a task has ended; return the results of all that have."""
        results: list[_T] = []
        try:
            # Locks cannot wait for longer than some weeks, which no invocation lasts.
            results.append(self._results.get(timeout=max(0.0, min(within, 1e6))))
            while True:
                results.append(self._results.get_nowait())
        except Empty:
            self._at_work -= len(results)
            return results

    def see_off(self) -> None:
        """Wait until nothing is at work any more: what runs on would meet the next invocation."""
        while self._at_work:
            self.ended(within=1.0)

    def _work(self) -> None:
        while True:
            context, task = self._tasks.get()
            self._results.put(context.run(task))
            # Nothing of a task may live on while the thread waits for the next.
            del context, task
