"""Resolvers keep answers as long as their TTL allows."""

from collections.abc import Callable

from constructs_lib.local.dns.cache import AnswerCache
from constructs_lib.local.dns.selection import Answer


def giving(target: str, ttl: float = 60) -> Callable[[], Answer]:
    """Asks, and gets *target*."""
    return lambda: Answer(target=target, ttl=ttl, records=())


def never() -> Answer:
    """Must not be asked."""
    raise AssertionError("asked although an answer is kept")


def test_an_answer_is_kept_for_its_ttl() -> None:
    """And asked for again at the moment it ends."""
    cache = AnswerCache()
    assert cache.answer("a", "eu-west-1", 100.0, giving("first")) == giving("first")()
    assert cache.answer("a", "eu-west-1", 159.9, never) == giving("first")()
    assert cache.answer("a", "eu-west-1", 160.0, giving("second")) == giving("second")()


def test_asking_does_not_make_an_answer_last() -> None:
    """The TTL counts from when the answer came, not from when it was last used."""
    cache = AnswerCache()
    cache.answer("a", "eu-west-1", 0.0, giving("first"))
    for moment in range(1, 60):
        cache.answer("a", "eu-west-1", float(moment), never)
    assert cache.answer("a", "eu-west-1", 60.0, giving("second")) == giving("second")()


def test_clients_of_other_regions_have_resolvers_of_their_own() -> None:
    """And so has every name its own answer."""
    cache = AnswerCache()
    cache.answer("a", "eu-west-1", 0.0, giving("Ireland"))
    assert cache.answer("a", "us-east-1", 1.0, giving("Virginia")) == giving("Virginia")()
    assert cache.answer("b", "eu-west-1", 1.0, giving("other")) == giving("other")()
    assert cache.answer("a", "eu-west-1", 1.0, never) == giving("Ireland")()


def test_an_answer_without_ttl_is_not_kept() -> None:
    """Every question is asked."""
    cache = AnswerCache()
    cache.answer("a", "eu-west-1", 5.0, giving("first", ttl=0))
    assert cache.answer("a", "eu-west-1", 5.0, giving("second")) == giving("second")()


def test_that_there_is_no_answer_is_not_kept() -> None:
    """The next question is asked."""
    cache = AnswerCache()
    assert cache.answer("a", "eu-west-1", 0.0, lambda: None) is None
    assert cache.answer("a", "eu-west-1", 0.0, giving("first")) == giving("first")()
