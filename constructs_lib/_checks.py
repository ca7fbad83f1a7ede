"""Checks of options in the caller's words: what was given, what is allowed, and the way out.

A value that CDK resolves later (a token) passes every check: in Python it is a placeholder, and reading it would
compare nonsense.
"""

import re
from collections.abc import Iterable

from aws_cdk import Duration, Stack, Token
from constructs import Construct

# Form of every region code; which regions exist is the account's business, not ours.
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def between(option: str, value: int, low: int, high: int, *, way_out: str) -> None:
    """Refuse a number outside *low* to *high*, both allowed.

    Args:
        option: Name of the option, as the caller wrote it.
        value: What the caller gave.
        low: Smallest allowed number.
        high: Largest allowed number.
        way_out: What to do instead, as the end of the sentence.

    Raises:
        ValueError: If *value* is not a whole number in that range.
    """
    if Token.is_unresolved(value):
        return
    if isinstance(value, bool) or int(value) != value or not low <= value <= high:
        raise ValueError(f"{option} must be a whole number between {low} and {high}, got {value}; {way_out}")


def duration_between(option: str, value: Duration, low: Duration, high: Duration, *, way_out: str) -> None:
    """Refuse a duration outside *low* to *high*, both allowed.

    Args:
        option: Name of the option, as the caller wrote it.
        value: What the caller gave.
        low: Shortest allowed duration.
        high: Longest allowed duration.
        way_out: What to do instead, as the end of the sentence.

    Raises:
        ValueError: If *value* is outside that range.
    """
    if value.is_unresolved():
        return
    milliseconds = value.to_milliseconds()
    if not low.to_milliseconds() <= milliseconds <= high.to_milliseconds():
        raise ValueError(
            f"{option} must be between {in_words(low)} and {in_words(high)}, got {in_words(value)}; {way_out}"
        )


def matches(option: str, value: str, pattern: str, *, allowed: str, way_out: str) -> None:
    """Refuse a text that *pattern* does not match from end to end.

    Args:
        option: Name of the option, as the caller wrote it.
        value: What the caller gave.
        pattern: Regular expression of what is allowed.
        allowed: The same in words.
        way_out: What to do instead, as the end of the sentence.

    Raises:
        ValueError: If *value* does not match.
    """
    if Token.is_unresolved(value):
        return
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{option} must be {allowed}, got {value!r}; {way_out}")


def distinct(option: str, values: Iterable[str], *, way_out: str) -> None:
    """Refuse a list that names something twice.

    Raises:
        ValueError: If a value stands in *values* more than once.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{option} must not name anything twice, got {value!r} twice; {way_out}")
        seen.add(value)


def region(option: str, value: str) -> None:
    """Refuse what cannot be the code of an AWS region; a token is refused too, because it is needed now.

    Raises:
        ValueError: If *value* has not the form of a region code.
    """
    if Token.is_unresolved(value):
        raise ValueError(f"{option} must be a region code known at synth, got a value that CDK resolves later")
    if not _REGION.fullmatch(value):
        raise ValueError(f"{option} must be a region code, got {value!r}; write it like 'eu-west-1'")


def concrete_region(scope: Construct, *, needed_by: str) -> str:
    """Region of the stack that holds *scope*.

    Args:
        scope: Any construct in the stack.
        needed_by: The construct that cannot do without, for the error.

    Raises:
        ValueError: If the stack leaves its region open.
    """
    stack = Stack.of(scope)
    if Token.is_unresolved(stack.region):
        raise ValueError(
            f"{needed_by} needs a stack with a fixed region, but stack {stack.stack_name!r} has none; "
            "give it one: Stack(app, ..., env=Environment(region='eu-west-1'))"
        )
    return stack.region


def in_words(value: Duration) -> str:
    """A duration as a person writes it: '90 seconds', '7 days'."""
    milliseconds = int(value.to_milliseconds())
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000)):
        if milliseconds % size == 0 and milliseconds >= size:
            count = milliseconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{milliseconds} milliseconds"


def table_name(value: str) -> None:
    """Refuse what is no name of a DynamoDB table.

    Args:
        value: What the caller gave as `table_name`.

    Raises:
        ValueError: If it is none.
    """
    matches(
        "table_name",
        value,
        r"[A-Za-z0-9_.-]{3,255}",
        allowed="3 to 255 letters, digits, '_', '-' or '.'",
        way_out="choose another name",
    )
