"""Logs and metrics by the standard library alone."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.settings import SERVICE_NAME

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Unit

_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50}

_keys: ContextVar[Mapping[str, str]] = ContextVar("keys of log lines", default=MappingProxyType({}))


class JsonWatch:
    """Logs and metrics on standard output, for several threads at once.

    A line has `level`, `location` (who logs it), `message`, `timestamp`, `service`, then its keys and fields without those
    that are None, and `xray_trace_id` where Lambda traces the invocation. Lines below the level that the function's
    environment names, by default `INFO`, are not written.

    Args:
        namespace: CloudWatch namespace of the metrics.
        dimensions: The metrics' dimensions, exactly these: an alarm that names others would watch nothing.
        keys: On every line. Default: none.
    """

    def __init__(self, *, namespace: str, dimensions: Mapping[str, str], keys: Mapping[str, str] | None = None) -> None:
        self._namespace = namespace
        self._dimensions = dict(dimensions)
        self._constant = dict(keys or {})
        self._service = os.environ.get(SERVICE_NAME)
        self._least = _LEVELS.get(_level_of(os.environ), _LEVELS["INFO"])
        self._handlers_logger: Any = None
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, tuple[float, Unit]] = {}
        self._lock = Lock()

    @contextmanager
    def about(self, **keys: str) -> Iterator[None]:
        """Put *keys* on every log line this thread writes inside; they must not be there already."""
        logger = self._logger_of_the_handler()
        before = _keys.set({**_keys.get(), **keys})
        if logger is not None:
            # Its own context manager would put them on the lines of all threads, and take them away from all.
            logger.thread_safe_append_keys(**keys)
        try:
            yield
        finally:
            _keys.reset(before)
            if logger is not None:
                logger.thread_safe_remove_keys(keys)

    def info(self, message: str, /, **fields: object) -> None:
        """Log what went as it should."""
        self._write("INFO", message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        """Log what did not, and will be tried again."""
        self._write("WARNING", message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Log what a person should look at."""
        self._write("ERROR", message, fields)

    def count(self, metric: str, number: int = 1) -> None:
        """Add to a metric of this invocation."""
        with self._lock:
            self._counts[metric] += number

    def gauge(self, metric: str, value: float, unit: "Unit") -> None:
        """Set a metric of this invocation; the newest value counts."""
        with self._lock:
            self._gauges[metric] = value, unit

    def flush(self) -> None:
        """Publish the metrics so far and begin anew."""
        with self._lock:
            metrics: dict[str, tuple[float, Unit]] = {name: (number, "Count") for name, number in self._counts.items()}
            metrics |= self._gauges
            self._counts.clear()
            self._gauges.clear()
        if metrics:
            _print(json.dumps(self._embedded(metrics), separators=(",", ":")))

    def _embedded(self, metrics: Mapping[str, tuple[float, "Unit"]]) -> dict[str, object]:
        # Amazon CloudWatch user guide, "Specification: Embedded metric format". It takes 100 metrics in one line; there
        # are fewer names than that.
        return {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": self._namespace,
                        "Dimensions": [list(self._dimensions)],
                        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
                    }
                ],
            },
            **self._dimensions,
            **{name: [float(value)] for name, (value, _) in metrics.items()},
        }

    def _write(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        if _LEVELS[level] < self._least:
            return
        caller = sys._getframe(2)
        now = time.time()
        line = {
            "level": level,
            "location": f"{caller.f_code.co_name}:{caller.f_lineno}",
            "message": message,
            "timestamp": time.strftime(f"%Y-%m-%d %H:%M:%S,{int(now % 1 * 1000):03}%z", time.localtime(now)),
            "service": self._service,
            **self._constant,
            **_keys.get(),
            **fields,
            "xray_trace_id": _trace_id(),
        }
        present = {name: value for name, value in line.items() if value is not None}
        _print(json.dumps(present, default=str, separators=(",", ":"), ensure_ascii=False))

    def _logger_of_the_handler(self) -> Any:
        # Where the handler has not loaded Powertools, nobody logs with it, and loading it here would serve nobody.
        powertools = sys.modules.get("aws_lambda_powertools.logging")
        if powertools is None or self._handlers_logger is not None:
            return self._handlers_logger
        with self._lock:
            if self._handlers_logger is None and hasattr(powertools, "Logger"):
                logger = powertools.Logger()
                logger.append_keys(**self._constant)
                self._handlers_logger = logger
        return self._handlers_logger


def _level_of(environment: Mapping[str, str]) -> str:
    # What Lambda's own logging configuration says comes first, as with Powertools.
    names = ("AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL")
    return next((environment[name].upper() for name in names if environment.get(name)), "INFO")


def _trace_id() -> str | None:
    # `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=...;Sampled=1`, set by Lambda for each invocation.
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    header = os.environ.get("_X_AMZN_TRACE_ID")
    return header.split(";")[0].removeprefix("Root=") if header else None


def _print(line: str) -> None:
    # What a sender wrote may have half of a surrogate pair; a line that cannot be written must not end the invocation.
    writable = line.encode(errors="backslashreplace").decode()
    # One call for line and end: lines of several threads must not mix.
    sys.stdout.write(f"{writable}\n")
    sys.stdout.flush()
