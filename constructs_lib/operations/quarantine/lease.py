"""One operator at a time works on a bucket: two redrives at once would send records twice and out of order."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.quarantine.bucket import Bucket, OvertakenError
from constructs_lib.operations.quarantine.ledger import now

KEY = "settled/lease.json"
_HOLDS_FOR = timedelta(minutes=2)


class Lease:
    """The right to settle what is in *bucket*, for as long as the `with` block lasts.

    It ends by itself two minutes after the last `renew`, so that a command that crashed is not in the way for longer.

    Args:
        bucket: The bucket.
        by: Who asks for it.
        clock: Default: the system's.

    Raises:
        OperationError: On entering, if somebody else holds it; on renewing, if somebody else took it since.
    """

    def __init__(self, bucket: Bucket, *, by: str, clock: Callable[[], datetime] = now) -> None:
        self._bucket = bucket
        self._by = by
        self._clock = clock
        self._version: str | None = None
        self._renewed: datetime | None = None

    def __enter__(self) -> Self:
        """Take it."""
        stored = self._bucket.read(KEY)
        if stored is not None:
            held = json.loads(stored.content)
            if datetime.fromisoformat(held["until"]) > self._clock():
                raise OperationError(
                    f"{held['by']} is at work on this quarantine. Wait until that command has ended, or, if it crashed, "
                    f"until {held['until']}."
                )
            self._version = stored.version
        self._write(_HOLDS_FOR)
        return self

    def renew(self) -> None:
        """Go on holding it; costs nothing for as long as little time has passed."""
        assert self._renewed is not None
        if self._clock() - self._renewed >= _HOLDS_FOR / 4:
            self._write(_HOLDS_FOR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back; where that fails, it ends by itself."""
        with suppress(Exception):
            self._write(timedelta(0))

    def _write(self, holds_for: timedelta) -> None:
        self._renewed = self._clock()
        content = {"by": self._by, "until": (self._renewed + holds_for).isoformat(timespec="seconds")}
        try:
            self._version = self._bucket.replace(KEY, content, version=self._version)
        except OvertakenError:
            raise OperationError(
                "Somebody else began to work on this quarantine at the same time. Wait until that command has ended, "
                "and begin again: what is settled is not done twice."
            ) from None
