"""A time limit for a whole call, however it spends its time."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what *work* returns, or raise what it raises, if that takes at most so many seconds.

    Socket time-outs bound each wait for bytes, but neither a name look-up nor an answer that drips in. Work that is cut
    off goes on unheard in a thread that keeps nothing alive, so its outcome is unknown.

    Raises:
        TimeoutError: It takes longer.
    """
    outcome: Future[T] = Future()
    Thread(target=_run, args=(work, outcome), daemon=True).start()
    return outcome.result(timeout=seconds)


def _run(work: Callable[[], T], outcome: "Future[T]") -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whoever waits for the outcome raises it
        outcome.set_exception(error)
