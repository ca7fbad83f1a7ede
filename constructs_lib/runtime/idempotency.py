"""The effect of a message once, however often the message is delivered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)

from constructs_lib.runtime.deadline import InvocationContext
from constructs_lib.runtime.failures import Unavailable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Part of every key in the store. Powertools would take the names of function and code, and forget all that was done
# when one of them changes or the other Region's function takes over.
_KEY_PREFIX = "message"


class Guard(Protocol):
    """Port to the memory of what has been done."""

    def __call__(self, effect: Callable[[], object], *, message_id: str, context: InvocationContext) -> None:
        """Run *effect* unless it has been done for this message.

        What *effect* raises is raised, and forgets the message. An effect another copy is at work on, or one that
        cannot be guarded because the store does not answer, is not run: `Unavailable` is raised.
        """


def unguarded(effect: Callable[[], object], *, message_id: str, context: InvocationContext) -> None:  # noqa: ARG001 - the Guard's shape
    """Run *effect* every time: for handlers whose effect may be repeated."""
    effect()


class Once:
    """A guard made of Powertools' idempotency.

    While an effect runs, its message is claimed until the invocation's end, so that after a crash another delivery
    takes over. After it, the message is remembered.

    Args:
        store: Persistence layer for this guard alone: Powertools keeps the state of a call in it.
        remember_seconds: How long a message is remembered.
    """

    def __init__(self, store: "BasePersistenceLayer", *, remember_seconds: int) -> None:
        self._store = store
        self._config = IdempotencyConfig(
            expires_after_seconds=remember_seconds,
            raise_on_no_idempotency_key=True,
            # Senders choose ids, and whoever can make two of them collide makes one message vanish.
            hash_function="sha256",
        )

    def __call__(self, effect: Callable[[], object], *, message_id: str, context: InvocationContext) -> None:
        """Run *effect* unless it has been done for this message.

        Raises:
            Unavailable: If another copy is being worked on, or the store does not answer.
        """

        def run(*, message_id: str) -> None:  # noqa: ARG001 - Powertools takes the key from an argument of this name
            effect()

        # Without the context a claim would outlive a crash by the whole time to remember.
        self._config.register_lambda_context(cast("LambdaContext", context))
        guarded = idempotent_function(
            run,
            data_keyword_argument="message_id",
            persistence_store=self._store,
            config=self._config,
            key_prefix=_KEY_PREFIX,
        )
        try:
            guarded(message_id=message_id)
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            raise Unavailable("another copy of this message is being worked on") from None
        except IdempotencyPersistenceLayerError as error:
            raise Unavailable("the store of messages done does not answer") from error
