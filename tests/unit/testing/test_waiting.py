import itertools

from constructs_lib.testing.waiting import eventually


def test_what_is_there_is_not_waited_for() -> None:
    """The first answer counts if it is one."""
    answers = iter(["found", "later"])

    assert eventually(lambda: next(answers), seconds=0) == "found"
    assert next(answers) == "later"


def test_what_comes_is_waited_for() -> None:
    """Nothing, zero or an empty text is no answer yet."""
    answers = iter([None, 0, "", "found"])

    assert eventually(lambda: next(answers), seconds=60) == "found"


def test_waiting_ends_with_the_last_answer() -> None:
    """So that an assertion shows what there was instead."""
    counted = itertools.count()

    assert eventually(lambda: [] if next(counted) else None, seconds=0.01) == []
