"""What settles messages, by the kind of their effect.

Only what a kind needs is loaded: a consumer of messages whose effect is inherent pays for no store.
"""

from collections.abc import Callable

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.effects import AnyEffect, Inherent, Items, Outside
from constructs_lib.runtime.outcomes import Effect
from constructs_lib.runtime.settings import IDEMPOTENCY_TABLE, IdempotencySettings, SettingError

MakeEngine = Callable[[IdempotencySettings | None], Effect]


def engine_of(effect: AnyEffect) -> MakeEngine:
    """Load what settles messages with this kind of effect; return how it is made of the settings.

    What is returned takes the settings of the idempotency table, None where there is none, and raises `SettingError` if
    the effect cannot be made once without.
    """
    match effect:
        case Outside():
            return _outside(effect)
        case Items():
            return _items()
        case Inherent():
            return _inherent()


def _outside(effect: Outside) -> MakeEngine:
    from constructs_lib.runtime.claim_store import DynamoDbClaims  # noqa: PLC0415 - only where it is needed
    from constructs_lib.runtime.claims import Claims  # noqa: PLC0415
    from constructs_lib.runtime.outside import OutsideEngine  # noqa: PLC0415

    def make(settings: IdempotencySettings | None) -> Effect:
        if settings is None:
            raise SettingError(
                f"{IDEMPOTENCY_TABLE} is not set, and without the table an effect outside cannot be made once; the "
                "construct that owns the function sets it. A handler that makes its effect once itself says so by "
                "effect=Inherent()"
            )
        store = DynamoDbClaims(client=client("dynamodb"), table=settings.table)
        claims = Claims(store, scope=settings.scope, remember_seconds=settings.remember_seconds)
        return OutsideEngine(effect, claims=claims)

    return make


def _items() -> MakeEngine:
    from constructs_lib.runtime.item_engine import ItemsEngine  # noqa: PLC0415 - only where it is needed
    from constructs_lib.runtime.sends import Sender  # noqa: PLC0415

    def make(settings: IdempotencySettings | None) -> Effect:
        return ItemsEngine(
            client=client("dynamodb"),
            sender=Sender(sqs=lambda: client("sqs"), kinesis=lambda: client("kinesis")),
            claims_table=settings.table if settings else None,
            scope=settings.scope if settings else "",
            strong=settings.strong if settings else False,
            remember_seconds=settings.remember_seconds if settings else 0,
        )

    return make


def _inherent() -> MakeEngine:
    from constructs_lib.runtime.inherent import InherentEngine  # noqa: PLC0415 - only where it is needed
    from constructs_lib.runtime.sends import Sender  # noqa: PLC0415

    def make(settings: IdempotencySettings | None) -> Effect:  # noqa: ARG001 - the shape of all kinds
        return InherentEngine(Sender(sqs=lambda: client("sqs"), kinesis=lambda: client("kinesis")))

    return make
