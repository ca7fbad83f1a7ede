"""Telling a broken handler from broken records."""

from constructs_lib.runtime.handler_health import HandlerHealth


def seen(*failed: bool) -> HandlerHealth:
    """Return the health after one call for each of so many keys."""
    health = HandlerHealth()
    for number, each in enumerate(failed):
        health.saw(f"key-{number}", failed=each)
    return health


def test_three_keys_may_all_be_broken() -> None:
    """With fewer than four keys nothing is said about the handler."""
    assert not seen(True, True, True).blames_handler
    assert seen(True, True, True, True).blames_handler


def test_half_of_the_keys_is_enough() -> None:
    """Half of them failing is the handler, less is not."""
    assert seen(True, False, True, False).blames_handler
    assert not seen(True, False, True, False, False).blames_handler


def test_last_call_of_a_key_counts() -> None:
    """A key that fails again and again is one key, and one that recovers is fine."""
    health = seen(False, False, False)
    for _ in range(9):
        health.saw("poison", failed=True)
    assert not health.blames_handler
    health = seen(True, True, True, True)
    for number in range(3):
        health.saw(f"key-{number}", failed=False)
    assert not health.blames_handler


def test_what_is_long_ago_is_forgotten() -> None:
    """The latest twenty keys count."""
    assert seen(*[False] * 100, *[True] * 10).blames_handler
    assert not seen(*[True] * 100, *[False] * 11).blames_handler
