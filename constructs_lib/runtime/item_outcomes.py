"""What the store's refusals mean for a message."""

from constructs_lib.runtime.outcomes import Held, Refused, Work


def away(reason: str, work: Work) -> Held:
    """Return the outcome of a message whose write the store did not confirm, and count it."""
    work.watch.count("StoreErrors")
    return Held(f"the store did not confirm: {reason}")


def invalid(reason: str) -> Refused:
    """Return the outcome of a message whose write the store will never take."""
    return Refused(f"what the handler returned cannot be written: {reason}")
