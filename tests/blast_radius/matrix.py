"""Every fault of every dependency, and what it does to whom."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

from constructs_lib.local.drill.statistics import percentile
from tests.blast_radius.faults import POISON_EVERY_SECONDS, Fault, Message, Trouble
from tests.blast_radius.world import DEPENDENCIES, Books, Course, Dependency, Sharing, messages, run

COURSE = Course(begin=20, end=100, sent_for=140)
TARGET = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a fault did to a group of messages.

    Attributes:
        messages: How many were sent.
        lost: Neither delivered nor to be found anywhere.
        given_up: Not delivered, but in quarantine.
        twice: Delivered more than once.
        p99, undisturbed_p99: Seconds to delivery of those that were sent from the fault's beginning on, with the fault
            and without it.
        longest_wait: Most seconds that a message took, compared with the same message without the fault.
    """

    messages: int
    lost: int
    given_up: int
    twice: int
    p99: float
    undisturbed_p99: float
    longest_wait: float

    @property
    def ratio(self) -> float:
        """How much longer messages take; 0 where none that could be delayed was delivered."""
        return self.p99 / self.undisturbed_p99 if self.undisturbed_p99 else 0.0

    @property
    def is_none(self) -> bool:
        """Whether the group was spared."""
        return not (self.lost or self.given_up or self.twice) and self.ratio <= TARGET


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault of one dependency.

    Attributes:
        sharing: What the dependencies have in common.
        fault: What went wrong.
        dependency: With whom.
        struck: The messages that the fault concerns.
        neighbours: The others of the same dependency. None: the fault concerns them all.
        others: The messages of each other dependency.
    """

    sharing: Sharing
    fault: Fault
    dependency: str
    struck: Effect
    neighbours: Effect | None
    others: Mapping[str, Effect]

    @property
    def worst(self) -> Effect:
        """The other dependency that suffers most."""
        return max(self.others.values(), key=lambda effect: (effect.lost, effect.given_up, effect.twice, effect.ratio))


def measure(
    *,
    dependencies: Iterable[Dependency] = DEPENDENCIES,
    faults: Iterable[Fault] = tuple(Fault),
    sharing: Iterable[Sharing] = (Sharing.NOTHING,),
    course: Course = COURSE,
    executor: Executor | None = None,
) -> Sequence[Row]:
    """Run every combination, and each way of sharing once without a fault.

    Args:
        dependencies: Those to strike.
        faults: What to strike them with.
        sharing: What all dependencies have in common.
        course: When.
        executor: Where to run. Default: a process for each processor.
    """
    if executor is None:
        with ProcessPoolExecutor() as processes:
            return measure(dependencies=dependencies, faults=faults, sharing=sharing, course=course, executor=processes)
    sharings = list(sharing)
    cases = list(product(sharings, dependencies, faults))
    troubles = [_trouble(fault, dependency, course) for _, dependency, fault in cases]
    undisturbed = executor.map(run, [course] * len(sharings), sharings, [None] * len(sharings))
    struck = executor.map(run, [course] * len(cases), [each for each, _, _ in cases], troubles)
    calm = dict(zip(sharings, undisturbed, strict=True))
    return [
        _row(way, trouble, course, books, calm[way])
        for (way, _, _), trouble, books in zip(cases, troubles, struck, strict=True)
    ]


def _trouble(fault: Fault, dependency: Dependency, course: Course) -> Trouble:
    of_fault = range(int(course.begin * dependency.per_second) + 1, int(course.end * dependency.per_second))
    poison = frozenset(of_fault[:: int(POISON_EVERY_SECONDS * dependency.per_second)])
    return Trouble(fault, dependency.name, dependency.tenants[0], poison, course.begin, course.end)


def _row(sharing: Sharing, trouble: Trouble, course: Course, books: Books, undisturbed: Books) -> Row:
    of: dict[str, list[Message]] = {dependency.name: [] for dependency in DEPENDENCIES}
    for message in messages(course):
        of[message.dependency].append(message)
    own = of.pop(trouble.dependency)
    spared = [message for message in own if not trouble.strikes(message)]

    def effect(sent: Sequence[Message]) -> Effect:
        return _effect(sent, course, books, undisturbed)

    return Row(
        sharing=sharing,
        fault=trouble.fault,
        dependency=trouble.dependency,
        struck=effect([message for message in own if trouble.strikes(message)]),
        neighbours=effect(spared) if spared else None,
        others={name: effect(sent) for name, sent in of.items()},
    )


def _effect(sent: Sequence[Message], course: Course, books: Books, undisturbed: Books) -> Effect:
    concerned = [message for message in sent if message.at >= course.begin and message in books.arrived]
    waits = [books.arrived[message][0] - message.at for message in concerned]
    calm = [undisturbed.arrived[message][0] - message.at for message in concerned]
    return Effect(
        messages=len(sent),
        lost=sum(message not in books.arrived and message not in books.recoverable for message in sent),
        given_up=sum(message in books.recoverable for message in sent),
        twice=sum(len(books.arrived.get(message, ())) > 1 for message in sent),
        p99=percentile(waits, 0.99) if waits else 0.0,
        undisturbed_p99=percentile(calm, 0.99) if calm else 0.0,
        longest_wait=max((wait - before for wait, before in zip(waits, calm, strict=True)), default=0.0),
    )
