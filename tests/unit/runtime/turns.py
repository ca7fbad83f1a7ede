"""Threads that take turns: one moves at a time, and whoever conducts them says which."""

import threading
from collections.abc import Callable


class Killed(BaseException):
    """The thread ends here, as an execution environment that is stopped."""


class Actor:
    """A thread that does one step whenever it is told to.

    Args:
        play: What it does; it calls `pause` between its steps.

    Attributes:
        alive: Whether it has steps left.
        killed: Whether it was stopped in the middle.
    """

    def __init__(self, play: Callable[["Actor"], object]) -> None:
        self.alive = True
        self.killed = False
        self._error: BaseException | None = None
        self._go = threading.Semaphore(0)
        self._rest = threading.Semaphore(0)
        self._play = play
        threading.Thread(target=self._run, daemon=True).start()

    def step(self) -> None:
        """Let it go on to its next pause, or to its end.

        Raises:
            BaseException: What it ended with.
        """
        self._go.release()
        self._rest.acquire()
        if self._error is not None and not self.killed:
            raise self._error

    def kill(self) -> None:
        """Stop it where it is."""
        self.killed = True
        self.step()

    def pause(self, *_: object) -> None:
        """Wait for the next step; called by the thread itself."""
        self._rest.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self.killed:
                self._play(self)
        except BaseException as error:  # noqa: BLE001 - it belongs to who conducts
            self._error = error
        self.alive = False
        self._rest.release()
