import pytest

from constructs_lib.runtime.descriptions import clean, describe, where


@pytest.mark.parametrize(
    "text",
    [
        "POST https://hooks.slack.com/services/T0/B0/hush failed",
        "GET https://user:hush@example.com/ failed",
        "HTTPSConnectionPool(host='hooks.slack.com', port=443): Max retries exceeded with url: /services/T0/hush (Caused)",
        "invalid_auth for xoxb-12-hush",
        "Authorization: Bearer hush.hush.hush",
        "{'Authorization': 'Bearer hushhushhush'}",
        "{'client_secret': 'hush', 'x': 1}",
        "password=hush&user=me",
        "api_key: hush",
        "jwt eyJhbGciOiJub25lIn0.hush.hush",
        "X-Amz-Signature=hush",
    ],
)
def test_credentials_do_not_reach_logs(text: str) -> None:
    """What looks like a credential in a message of a client library is masked."""
    assert "hush" not in clean(text)


def test_the_useful_part_of_a_message_stays() -> None:
    """Host and cause are what an operator needs; they stay."""
    assert clean("POST https://slack.com/api/chat?x=1 timed out") == "POST https://slack.com/*** timed out"


def test_message_is_one_short_printable_line() -> None:
    """A message cannot forge log lines, nor fill the log with a payload."""
    assert clean("a\nb\x00c") == "a b c"
    assert len(clean("x" * 100_000)) == 500


def test_exception_is_described_by_class_and_message() -> None:
    """Class and message are enough to find the cause."""
    assert describe(KeyError("id")) == "KeyError: 'id'"
    assert describe(TimeoutError()) == "TimeoutError"


def test_exception_without_a_printable_message_is_described() -> None:
    """An exception whose message fails is described all the same."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(BrokenError()).startswith("BrokenError: ")


def test_places_of_an_exception_are_told_without_values() -> None:
    """The log says where it happened: file, line, function, and no source line."""

    def fail(secret: str) -> None:
        raise ValueError(secret)

    try:
        fail("hush")
    except ValueError as error:
        places = where(error)
    assert places[-1].startswith("unit/runtime/test_descriptions.py:")
    assert places[-1].endswith(" fail")
    assert "hush" not in str(places)
