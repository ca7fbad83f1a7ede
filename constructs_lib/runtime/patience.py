"""How long a consumer tries again what AWS refuses for the moment."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from constructs_lib.runtime.deadline import Deadline

# With the first one: two and a half seconds of pauses at the most.
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Up to five more tries, after growing random pauses, as far as the deadline allows.

    Args:
        deadline: Of the invocation; no pause ends after the last moment at which work may begin.
        sleep: Waits so many seconds.
    """

    deadline: Deadline
    sleep: Callable[[float], None] = time.sleep

    def allows(self, made: int) -> bool:
        """Pause and return True if there is to be another try after so many, else return False at once."""
        if made >= _TRIES:
            return False
        longest = min(_FIRST_PAUSE_SECONDS * 2 ** (made - 1), _LONGEST_PAUSE_SECONDS)
        if not self.deadline.leaves_time(after_seconds=longest):
            return False
        self.sleep(random.uniform(0, longest))  # noqa: S311 - jitter is no secret
        return True
