"""Why a caller gets no answer. Lambda tells it the class as `errorType`, and the message, which begins with the code."""

from typing import ClassVar

from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH


class AnswerError(Exception):
    """There is no answer, and by this request nothing has happened.

    Args:
        text: Why, in words without secrets and payload.
        retry_after: Seconds after which asking again makes sense. Default: it makes none.

    Attributes:
        code: For programs.
    """

    code: ClassVar[str]

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{self.code}: {text}")
        self.retry_after = retry_after


class MissingKeyError(AnswerError):
    """The event has no key: copies of it could not be told apart."""

    code = "IDM_KEY_MISSING"


class PayloadMismatchError(AnswerError):
    """The key is known with another payload."""

    code = PAYLOAD_MISMATCH


class InProgressError(AnswerError):
    """A copy is being worked on, or was when it crashed; `retry_after` says when that is over at the latest."""

    code = "IDM_IN_PROGRESS"


class StoreUnavailableError(AnswerError):
    """The idempotency table does not answer."""

    code = "IDM_STORE_UNAVAILABLE"


class ResultNotStoredError(AnswerError):
    """It has been done, and its first caller was told the result; but that is no JSON or too large to be stored."""

    code = "IDM_RESULT_NOT_STORED"
