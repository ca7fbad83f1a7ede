"""What a handler raises to say how far a failure reaches; the consumers act on that and on nothing else."""


class Failure(Exception):  # noqa: N818 - a handler reports a scope of failure, and the published names say so
    """A failure whose scope the handler knows."""


class PermanentFailure(Failure):
    """This record can never succeed, however often it is tried; nothing else is affected.

    Args:
        reason: Why, in words for whoever finds the record later. Kept beside the payload and logged, so it must hold
            neither secrets nor the payload itself.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        # A handler may hand on the exception it caught.
        self.reason = str(reason)


class Unavailable(Failure):
    """Something the record needs is away and will be back; the record must wait, not be given up.

    Args:
        message: What was unavailable, in words for the log; it must hold no secrets.
        retry_after: Seconds after which another try makes sense, where the other side said so. Default: not known.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = str(message)
        self.retry_after = retry_after


class TenantUnavailable(Unavailable):
    """What this record's tenant owns is unavailable (a throttled workspace, a removed app); other tenants are fine."""


class DependencyUnavailable(Unavailable):
    """The external dependency does not answer or fails for everyone."""
