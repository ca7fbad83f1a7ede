from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from constructs_lib.runtime.attribute_values import UnsupportedValueError
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.partiql import Answer, BatchStatements, Fate, Statement, delete, insert, passes, update
from tests.standins.dynamodb import FakeDynamoDB
from tests.unit.runtime.fakes import FakeContext, FakeTime

Statements = Sequence[dict[str, Any]]


class Scripted:
    """A client that answers each statement as *say* tells; it may raise for the whole call."""

    def __init__(self, say: Callable[[str, int], str | None], refuse: Callable[[int], str | None] = lambda size: None):
        self._say = say
        self._refuse = refuse
        self._tries: Counter[str] = Counter()
        self._lock = Lock()
        self.calls: list[int] = []

    def batch_execute_statement(self, *, Statements: Statements) -> dict[str, Any]:  # noqa: N803 - the API's name
        with self._lock:
            self.calls.append(len(Statements))
        if code := self._refuse(len(Statements)):
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "BatchExecuteStatement")
        return {"Responses": [self._answer(statement["Parameters"][0]["S"]) for statement in Statements]}

    def execute_statement(self, *, Statement: str, Parameters: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
        """A code of the statement is here an error of the call, named otherwise."""
        [answer] = self.batch_execute_statement(Statements=[{"Statement": Statement, "Parameters": Parameters}])[
            "Responses"
        ]
        if error := answer.get("Error"):
            code = {"ThrottlingError": "ThrottlingException", "ValidationError": "ValidationException"}.get(
                error["Code"], f"{error['Code']}Exception"
            )
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ExecuteStatement")
        return {"Items": []}

    def _answer(self, name: str) -> dict[str, Any]:
        with self._lock:
            self._tries[name] += 1
            code = self._say(name, self._tries[name])
        return {"Error": {"Code": code, "Message": "no"}} if code else {"TableName": "orders"}


def _run(client: Any, names: Sequence[str], time: FakeTime | None = None) -> list[Answer]:
    time = time or FakeTime()
    statements = [insert("orders", {"id": {"S": name}}) for name in names]
    return BatchStatements(client=client, sleep=time.sleep).run(statements, Deadline(FakeContext(time)))


def test_an_insert_has_its_values_beside_the_text() -> None:
    assert insert("orders", {"id": {"S": "o-1"}, "total": {"N": "3"}}) == Statement(
        "INSERT INTO \"orders\" VALUE {'id': ?, 'total': ?}", ({"S": "o-1"}, {"N": "3"})
    )


def test_an_update_sets_removes_and_asks_for_what_was_seen() -> None:
    """None asks that the attribute be missing."""
    assert update(
        "orders",
        {"id": {"S": "o-1"}},
        put={"total": {"N": "3"}, "state": {"S": "new"}},
        remove=["note"],
        where={"revision": {"N": "7"}, "closed": None},
    ) == Statement(
        'UPDATE "orders" SET "total" = ? SET "state" = ? REMOVE "note" '
        'WHERE "id" = ? AND "revision" = ? AND "closed" IS MISSING',
        ({"N": "3"}, {"S": "new"}, {"S": "o-1"}, {"N": "7"}),
    )


def test_a_delete_asks_for_what_was_seen() -> None:
    assert delete("orders", {"id": {"S": "o-1"}}, where={"token": {"S": "t"}}) == Statement(
        'DELETE FROM "orders" WHERE "id" = ? AND "token" = ?', ({"S": "o-1"}, {"S": "t"})
    )


@pytest.mark.parametrize("name", ["it's", 'a"b', "", "a\\b", "a\nb"])
def test_no_name_leaves_its_quotes(name: str) -> None:
    """A name made of somebody's input must not become a piece of the statement."""
    with pytest.raises(UnsupportedValueError, match="cannot be the name of an attribute"):
        insert("orders", {"id": {"S": "o-1"}, name: {"S": "x"}})


def test_an_item_of_too_many_names_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedValueError, match="DynamoDB takes 8192; put some attributes into a map"):
        insert("orders", {f"attribute-{number}": {"S": "x"} for number in range(500)})


def test_a_hundred_statements_are_four_calls() -> None:
    client = Scripted(lambda name, tries: None)
    answers = _run(client, [f"o-{number}" for number in range(100)])
    assert (client.calls, {answer.fate for answer in answers}) == ([25, 25, 25, 25], {Fate.WRITTEN})


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        ("DuplicateItem", Fate.DUPLICATE),
        ("ConditionalCheckFailed", Fate.UNMET),
        ("ValidationError", Fate.INVALID),
        ("ItemCollectionSizeLimitExceeded", Fate.INVALID),
        ("AccessDenied", Fate.AWAY),
        ("ResourceNotFound", Fate.AWAY),
        ("SomethingNew", Fate.AWAY),
    ],
)
def test_a_call_that_succeeds_says_nothing_about_its_statements(code: str, fate: Fate) -> None:
    """Each statement's own error is read, and those beside it are not touched by it."""
    client = Scripted(lambda name, tries: code if name == "o-2" else None)
    answers = _run(client, ["o-1", "o-2", "o-3"])
    assert answers == [Answer(Fate.WRITTEN), Answer(fate, f"{code}: no"), Answer(Fate.WRITTEN)]
    assert client.calls == [3]


@pytest.mark.parametrize(
    ("code", "told", "fate"),
    [
        (None, "", Fate.WRITTEN),
        ("DuplicateItem", "DuplicateItemException", Fate.DUPLICATE),
        ("ConditionalCheckFailed", "ConditionalCheckFailedException", Fate.UNMET),
        ("ValidationError", "ValidationException", Fate.INVALID),
        ("AccessDenied", "AccessDeniedException", Fate.AWAY),
        ("ResourceNotFound", "ResourceNotFoundException", Fate.AWAY),
        ("ThrottlingError", "ThrottlingException", Fate.AWAY),
        ("TransactionConflict", "TransactionConflictException", Fate.AWAY),
        ("InternalServerError", "InternalServerError", Fate.AWAY),
    ],
)
def test_a_statement_alone_is_a_call_for_one_item_and_meets_the_same(code: str | None, told: str, fate: Fate) -> None:
    """What would be its error in a batch is then the call's."""
    database, time = FakeDynamoDB(), FakeTime()
    client = database.client(refuse=lambda action: code)
    statements = BatchStatements(client=client, sleep=time.sleep)
    [answer] = statements.run([insert("orders", {"id": {"S": "o-1"}})], Deadline(FakeContext(time)))
    assert (answer.fate, answer.reason.partition(":")[0]) == (fate, told)
    assert set(database.usage.calls) == {"execute_statement"}
    assert bool(time.pauses) == passes(told)


def test_a_statement_alone_that_is_throttled_is_tried_again() -> None:
    client = Scripted(lambda name, tries: "ThrottlingError" if tries < 3 else None)
    assert [answer.fate for answer in _run(client, ["o-1"])] == [Fate.WRITTEN]
    assert client.calls == [1, 1, 1]


def test_statements_alone_have_their_conditions() -> None:
    """Inserted twice, changed and removed by what was seen and by what was not."""
    database, time = FakeDynamoDB(), FakeTime()
    key, seen, other = {"id": {"S": "o-1"}}, {"token": {"S": "a"}}, {"token": {"S": "b"}}
    statements = [
        insert("orders", {**key, **seen}),
        insert("orders", {**key, **other}),
        update("orders", key, put=other, where=other),
        update("orders", key, put=other, where=seen),
        delete("orders", key, where=seen),
        delete("orders", key, where=other),
    ]
    run = BatchStatements(client=database.client(), sleep=time.sleep).run
    fates = [run([each], Deadline(FakeContext(time)))[0].fate for each in statements]
    assert fates == [Fate.WRITTEN, Fate.DUPLICATE, Fate.UNMET, Fate.WRITTEN, Fate.UNMET, Fate.WRITTEN]
    assert not database.items("orders")


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded", "ReplicatedWriteConflict"])
def test_only_the_throttled_statement_is_tried_again(code: str) -> None:
    client = Scripted(lambda name, tries: code if name == "o-2" and tries < 3 else None)
    assert {answer.fate for answer in _run(client, ["o-1", "o-2", "o-3"])} == {Fate.WRITTEN}
    assert client.calls == [3, 1, 1]


def test_a_statement_that_is_throttled_to_the_end_is_given_up_alone() -> None:
    client = Scripted(lambda name, tries: "ThrottlingError" if name == "o-2" else None)
    assert [answer.fate for answer in _run(client, ["o-1", "o-2"])] == [Fate.WRITTEN, Fate.AWAY]
    assert client.calls == [2, 1, 1, 1, 1, 1]


def test_no_pause_runs_into_the_deadline() -> None:
    """With little time left, the throttled statement is given up at once."""
    time = FakeTime()
    context = FakeContext(time)
    deadline = Deadline(context)
    time.pass_by(context.timeout_seconds - 5)
    client = Scripted(lambda name, tries: "ThrottlingError")
    statements = [insert("orders", {"id": {"S": "o-1"}})]
    [answer] = BatchStatements(client=client, sleep=time.sleep).run(statements, deadline)  # type: ignore[arg-type]
    assert (answer.fate, client.calls, time.pauses) == (Fate.AWAY, [1], [])


def test_a_throttled_call_is_tried_again() -> None:
    refusals = ["ThrottlingException", "InternalServerError"]
    client = Scripted(lambda name, tries: None, lambda size: refusals.pop() if refusals else None)
    assert {answer.fate for answer in _run(client, ["o-1", "o-2"])} == {Fate.WRITTEN}
    assert client.calls == [2, 2, 2]


def test_one_statement_that_spoils_its_call_fails_alone() -> None:
    """Where the store refuses the whole call, halves of it are tried, down to the culprit."""

    class Spoiled(Scripted):
        def batch_execute_statement(self, *, Statements: Statements) -> dict[str, Any]:  # noqa: N803
            if any(statement["Parameters"][0]["S"] == "o-3" for statement in Statements):
                raise ClientError({"Error": {"Code": "ValidationException", "Message": "odd"}}, "BatchExecuteStatement")
            return super().batch_execute_statement(Statements=Statements)

    answers = _run(Spoiled(lambda name, tries: None), [f"o-{number}" for number in range(8)])
    assert [answer.fate for answer in answers] == [Fate.WRITTEN] * 3 + [Fate.INVALID] + [Fate.WRITTEN] * 4


def test_an_unreachable_store_is_told_and_not_asked_on_and_on() -> None:
    """The client itself has tried twice; the messages wait in their queue, also those of the chunks that follow."""

    class Unreachable:
        calls = 0

        def batch_execute_statement(self, **request: Any) -> dict[str, Any]:
            self.calls += 1
            raise ConnectTimeoutError(endpoint_url="https://dynamodb.example")

    client = Unreachable()
    answers = _run(client, [f"o-{number}" for number in range(1_000)])
    assert ({answer.fate for answer in answers}, len(answers)) == ({Fate.AWAY}, 1_000)
    # As many as are made at the same time.
    assert client.calls <= 4


def test_what_is_no_answer_of_the_store_is_raised() -> None:
    """A defect is not taken for an outage."""

    class Broken:
        def batch_execute_statement(self, **request: Any) -> dict[str, Any]:
            raise ZeroDivisionError

        execute_statement = batch_execute_statement

    with pytest.raises(ZeroDivisionError):
        _run(Broken(), [f"o-{number}" for number in range(60)])
