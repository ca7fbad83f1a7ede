"""IdempotentFunction: answer a request once, and give the first answer to whoever asks again."""

from aws_cdk import Duration, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._checks import duration_between
from constructs_lib._claims import claim
from constructs_lib._consumer_store import SharedStore, check_store, let_remember, regional_table, remember_alone
from constructs_lib._effect_metrics import effect_alarms
from constructs_lib.python_function import PythonFunction


class IdempotentFunction(Construct):
    """A memory for a function that is invoked directly: of each request, the answer that its first caller got.

    *function* answers by `constructs_lib.runtime.answer_once`. What `IdempotentConsumer` is for messages, this is for
    callers who wait for an answer: an API, a step of a workflow, another function.

    Defines a table (in this region only: its conditional writes must be) and three alarms; adds settings and rights to
    *function*. The table outlives the stack and is protected from deletion.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*, and among those that share a store.
        function: Function that answers.
        remember_for: How long an answer is known, 1 minute to 365 days, and longer than the function may take.
            Default: 1 day.
        store: Where that is remembered, if several regions may get the same request. Default: a table in this region.

    Attributes:
        function: The function that was given.
        idempotency_table: What was answered: key `id`, expiry `expiration`.

    Raises:
        ValueError: If an option is out of range, or *function* works for a queue or stream already.
        TypeError: If *store* is something else than a `StronglyConsistentStore`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function: PythonFunction,
        remember_for: Duration | None = None,
        store: SharedStore | None = None,
    ) -> None:
        super().__init__(scope, id)
        remember_for = remember_for or Duration.days(1)
        timeout = function.timeout
        duration_between(
            "remember_for",
            remember_for,
            Duration.minutes(1)
            if timeout is None or timeout.is_unresolved()
            else _longer(timeout, Duration.minutes(1)),
            Duration.days(365),
            way_out="whoever asks again does so soon; make the effect itself idempotent where it must be for good",
        )
        check_store(store)
        claim(function, self)
        self.function = function
        self.idempotency_table: dynamodb.ITable | dynamodb.ITableV2 = store.table if store else regional_table(self)
        let_remember(function, self.idempotency_table)
        settings = {
            environment_names.IDEMPOTENCY_TABLE: self.idempotency_table.table_name,
            environment_names.REMEMBER_SECONDS: _text(remember_for.to_seconds()),
        }
        if store:
            settings[environment_names.IDEMPOTENCY_SCOPE] = remember_alone(self, store)
            settings[environment_names.STORE_CONSISTENCY] = "strong"
        for name, value in settings.items():
            function.add_environment(name, value)
        self._alarms = effect_alarms(self, {"service": function.service}, kept="its caller was told so")

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about this function that should wake someone, its own alarms included."""
        return (*self._alarms, *self.function.alarms)


def _longer(one: Duration, other: Duration) -> Duration:
    return max(one, other, key=lambda each: each.to_milliseconds())


def _text(number: float) -> str:
    return Token.as_string(number) if Token.is_unresolved(number) else f"{number:.0f}"
