"""Writes that happen together or not at all."""

from typing import Any

from tests.standins.dynamodb.refusals import RefusedError, RequestRefusedError, invalid
from tests.standins.dynamodb.request import Request
from tests.standins.dynamodb.writes import Write, read_write

MOST_ACTIONS = 100
# How long a token makes the same transaction again a success without effect.
_TOKEN_SECONDS = 600
_VERBS = {"Put": "put", "Update": "update", "Delete": "delete", "ConditionCheck": "check"}


def transact_write_items(request: Request) -> dict[str, Any]:
    """Answer TransactWriteItems."""
    asked: list[dict[str, dict[str, Any]]] = request.get("TransactItems")
    if len(asked) > MOST_ACTIONS:
        raise invalid(f"Member must have length less than or equal to {MOST_ACTIONS}")
    if _repeated(request, asked):
        return {}
    actions = [next(iter(each.items())) for each in asked]
    writes = [read_write(_VERBS[verb], action, request.table(action["TableName"])) for verb, action in actions]
    if len({(write.table.name, write.place) for write in writes}) < len(writes):
        raise invalid("Transaction request cannot include multiple operations on one item")
    for write in writes:
        write.charge(request.usage, transaction=True)
    reasons = [_reason(request, write, action) for write, (_, action) in zip(writes, actions, strict=True)]
    codes = [reason["Code"] for reason in reasons]
    if set(codes) != {"None"}:
        raise RequestRefusedError(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]",
            CancellationReasons=reasons,
        )
    for write in writes:
        write.do()
    if token := request.get("ClientRequestToken"):
        request.database.tokens[token] = (request.database.now(), asked)
    return {}


def _reason(request: Request, write: Write, action: dict[str, Any]) -> dict[str, Any]:
    try:
        request.refuse(write.table, write.key)
        write.check()
    except RefusedError as refusal:
        reason: dict[str, Any] = {"Code": refusal.code, "Message": refusal.text}
        if refusal.item and action.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            reason["Item"] = refusal.item
        return reason
    return {"Code": "None"}


def _repeated(request: Request, asked: list[dict[str, dict[str, Any]]]) -> bool:
    then, what = request.database.tokens.get(request.get("ClientRequestToken", ""), (0.0, None))
    if what is None or request.database.now() - then >= _TOKEN_SECONDS:
        return False
    if what != asked:
        raise RequestRefusedError("IdempotentParameterMismatchException", "The token belongs to another transaction")
    return True
