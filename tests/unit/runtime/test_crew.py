"""Threads that carry out tasks side by side."""

import threading
from contextvars import ContextVar

from constructs_lib.runtime.crew import Crew

KEY: ContextVar[str] = ContextVar("KEY", default="none")


def ended(crew: Crew[str], number: int) -> list[str]:
    results: list[str] = []
    while len(results) < number:
        results += crew.ended(within=10)
    return sorted(results)


def test_tasks_run_side_by_side_in_threads_that_are_kept() -> None:
    """As many threads as tasks meet, and no more for the next ones."""
    crew: Crew[str] = Crew()
    barrier = threading.Barrier(5, timeout=10)

    def meet() -> str:
        barrier.wait()
        return threading.current_thread().name

    rounds = []
    for _ in range(3):
        for _ in range(5):
            crew.begin(meet)
        rounds.append(ended(crew, 5))
    assert rounds[0] == rounds[1] == rounds[2]
    assert len(set(rounds[0])) == 5


def test_task_sees_what_its_giver_set_and_leaves_nothing_behind() -> None:
    """Log keys are context variables: those of the invocation show in its tasks, those of a task nowhere else."""
    crew: Crew[str] = Crew()

    def look() -> str:
        seen = KEY.get()
        KEY.set("changed by a task")
        return seen

    KEY.set("first")
    crew.begin(look)
    assert ended(crew, 1) == ["first"]
    KEY.set("second")
    crew.begin(look)
    assert ended(crew, 1) == ["second"]
    assert KEY.get() == "second"


def test_waiting_ends_in_time_when_nothing_ends() -> None:
    """Whoever waits is told that nothing has ended, and can wait again."""
    crew: Crew[str] = Crew()
    release = threading.Event()
    crew.begin(lambda: str(release.wait(10)))
    assert crew.ended(within=0.01) == []
    assert crew.ended(within=-1.0) == []
    release.set()
    assert ended(crew, 1) == ["True"]


def test_nothing_runs_on_when_the_crew_is_seen_off() -> None:
    """Seeing off waits until the last task has ended."""
    crew: Crew[str] = Crew()
    release, over = threading.Event(), threading.Event()

    def wait() -> str:
        release.wait(10)
        over.set()
        return "over"

    crew.begin(wait)
    threading.Timer(0.05, release.set).start()
    crew.see_off()
    assert over.is_set()
