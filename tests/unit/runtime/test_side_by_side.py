from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from constructs_lib.runtime.side_by_side import SideBySide


def test_results_come_in_the_order_of_what_was_asked() -> None:
    assert SideBySide().map(lambda number: number * 2, list(range(50))) == [number * 2 for number in range(50)]


def test_nothing_to_do_is_nothing_done() -> None:
    assert SideBySide().map(str, []) == []


def test_four_are_at_work_at_once_and_no_more() -> None:
    """Each waits for three others; a fifth would be seen."""
    together = Barrier(4)
    lock = Lock()
    running, most = 0, 0

    def call(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(30)
        with lock:
            running -= 1
        return number

    assert SideBySide().map(call, list(range(8))) == list(range(8))
    assert most == 4


def test_what_a_call_raises_is_raised_and_the_rest_does_not_begin() -> None:
    """Also what no `except Exception` catches; the threads are there for the next batch."""
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise KeyboardInterrupt
        return number

    threads = SideBySide()
    with pytest.raises(KeyboardInterrupt):
        threads.map(call, list(range(1_000)))
    assert len(begun) < 1_000
    assert threads.map(call, [5, 6, 7]) == [5, 6, 7]


def test_callers_at_the_same_time_get_each_their_own() -> None:
    """The threads help one of them; the other one's work is not among theirs."""
    threads = SideBySide()
    both = Barrier(2, timeout=10)

    def work(caller: int) -> list[tuple[int, int]]:
        def call(number: int) -> tuple[int, int]:
            if number == 0:
                both.wait()
            return caller, number

        return threads.map(call, list(range(20)))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, (1, 2)))
    assert results == [[(caller, number) for number in range(20)] for caller in (1, 2)]
