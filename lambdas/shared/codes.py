"""Every outcome worth a log line, under a code that never changes: alarms and saved searches name these."""

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol


class Code(Enum):
    """A stable code, the level it is logged at, and what it means."""

    ING_ACCEPTED = ("ING-ACCEPTED", logging.INFO, "event stored")
    ING_SUBSCRIBED = ("ING-SUBSCRIBED", logging.INFO, "SNS subscription confirmed")
    ING_REFUSED = ("ING-REFUSED", logging.WARNING, "request refused; the sender was told why")
    ING_FORGED = ("ING-FORGED", logging.WARNING, "SNS message refused: it does not prove that SNS sent it")
    ING_UNAVAILABLE = ("ING-UNAVAILABLE", logging.ERROR, "event not stored; the sender was asked to try again")
    ING_FAILED = ("ING-FAILED", logging.ERROR, "request failed for a reason nobody foresaw; the sender may try again")
    EVT_JOINED = ("EVT-JOINED", logging.INFO, "event joined an alert")
    EVT_REPEATED = ("EVT-REPEATED", logging.INFO, "event is in its alert already; its messages are sent again")
    EVT_NOTHING_TO_CLOSE = ("EVT-NOTHING-TO-CLOSE", logging.INFO, "all-clear without an open alert; nothing to show")
    EVT_UNPARSEABLE = ("EVT-UNPARSEABLE", logging.WARNING, "authentic event nobody can read; kept, and shown as it is")
    EVT_REJECTED = ("EVT-REJECTED", logging.ERROR, "event can never be processed; it goes to the dead letters")
    ESC_STARTED = ("ESC-STARTED", logging.INFO, "escalation started")

    def __init__(self, code: str, level: int, meaning: str) -> None:
        self.code = code
        self.level = level
        self.meaning = meaning


class Log(Protocol):
    """Port: write one line about one outcome."""

    def __call__(self, code: Code, /, **fields: str | int) -> None:
        """Log *code*; *fields* must hold neither secrets nor payloads."""


class _Logger(Protocol):
    def log(self, level: int, msg: object, *, extra: dict[str, Any]) -> None: ...


def coded_log(logger: Callable[[], _Logger]) -> Log:
    """A log that writes to *logger*, made on the first line and not before."""

    def write(code: Code, /, **fields: str | int) -> None:
        logger().log(code.level, code.meaning, extra={"code": code.code, **fields})

    return write
