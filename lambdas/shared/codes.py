"""Every outcome worth a log line, under a code that never changes: alarms and saved searches name these."""

from collections.abc import Mapping
from enum import Enum
from typing import Literal, Protocol

Level = Literal["info", "warning", "error"]


class Code(Enum):
    """A stable code, the level it is logged at, and what it means."""

    ING_ACCEPTED = ("ING-ACCEPTED", "info", "event stored")
    ING_SUBSCRIBED = ("ING-SUBSCRIBED", "info", "SNS subscription confirmed")
    ING_SIDELINED = ("ING-SIDELINED", "info", "event stored aside: its tenant is above its fair rate")
    ING_THROTTLED = ("ING-THROTTLED", "warning", "event refused: its tenant is far above its rate; try again later")
    ING_REFUSED = ("ING-REFUSED", "warning", "request refused; the sender was told why")
    ING_FORGED = ("ING-FORGED", "warning", "SNS message refused: it does not prove that SNS sent it")
    ING_UNAVAILABLE = ("ING-UNAVAILABLE", "error", "event not stored; the sender was asked to try again")
    ING_FAILED = ("ING-FAILED", "error", "request failed for a reason nobody foresaw; the sender may try again")
    EVT_JOINED = ("EVT-JOINED", "info", "event joined an alert")
    EVT_REPEATED = ("EVT-REPEATED", "info", "event is in its alert already; its messages are sent again")
    EVT_NOTHING_TO_CLOSE = ("EVT-NOTHING-TO-CLOSE", "info", "all-clear without an open alert; nothing to show")
    EVT_UNPARSEABLE = ("EVT-UNPARSEABLE", "warning", "authentic event nobody can read; kept, and shown as it is")
    EVT_REJECTED = ("EVT-REJECTED", "error", "event can never be processed; it goes to the dead letters")
    ESC_STARTED = ("ESC-STARTED", "info", "escalation started")
    ESC_STEP = ("ESC-STEP", "info", "escalation step done")
    ESC_EXHAUSTED = ("ESC-EXHAUSTED", "error", "nobody has acknowledged the alert, and nobody is left to call")
    ACT_STORED = ("ACT-STORED", "info", "action stored")
    ACT_REFUSED = ("ACT-REFUSED", "warning", "request refused; the provider was told why")
    ACT_NOT_STORED = ("ACT-NOT-STORED", "error", "action not stored; the user was asked to press again")
    DLV_NOBODY_WAITS = ("DLV-NOBODY-WAITS", "warning", "nobody waits for this delivery any more")

    def __init__(self, code: str, level: Level, meaning: str) -> None:
        self.code = code
        self.level = level
        self.meaning = meaning


class Log(Protocol):
    """Port: write one line about one outcome."""

    def __call__(self, code: Code, /, **fields: str | int) -> None:
        """Log *code*; *fields* must hold neither secrets nor payloads."""


class Logger(Protocol):
    """What a Powertools logger and one of the standard library have in common."""

    def info(self, msg: object, /, *, extra: Mapping[str, object]) -> None:
        """Write *msg* with the keys of *extra*."""

    def warning(self, msg: object, /, *, extra: Mapping[str, object]) -> None:
        """Write *msg* with the keys of *extra*."""

    def error(self, msg: object, /, *, extra: Mapping[str, object]) -> None:
        """Write *msg* with the keys of *extra*."""


def coded_log(logger: Logger) -> Log:
    """A log that writes to *logger*."""
    writers = {"info": logger.info, "warning": logger.warning, "error": logger.error}

    def write(code: Code, /, **fields: str | int) -> None:
        writers[code.level](code.meaning, extra={"code": code.code, **fields})

    return write
