"""The page on idempotent consumers: its table of alarms is the code's, and its examples run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.idempotent_consumer import IdempotentConsumer
from constructs_lib.runtime import Fold, Insert, Record, Replace, Transact
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import NO_BUNDLING, resources

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "idempotent-consumer.md").read_text()
EXAMPLES = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
HANDLERS = [example for example in EXAMPLES if "constructs_lib.runtime" in example]
CONSTRUCTS = [example for example in EXAMPLES if "from constructs_lib import" in example]


def new_app() -> dict[str, cdk.Stack]:
    app = cdk.App(context=dict(NO_BUNDLING))
    return {
        "stack": cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1")),
        "global_stack": cdk.Stack(app, "Global", env=cdk.Environment(region="eu-west-1")),
    }


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the examples of handlers define; none of them reaches out before it is called."""
    monkeypatch.setenv("MAIL_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/mail")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    defined: dict[str, Any] = {}
    for example in HANDLERS:
        exec(example, defined)
    return defined


def record(**body: Any) -> Record:
    return Record(
        id="m-1",
        key="c-1",
        tenant="acme",
        body=body,
        position="1",
        correlation_id="m-1",
        created="2026-11-21T03:04:05Z",
    )


@pytest.mark.parametrize(
    ("handler", "body", "kind"),
    [
        ("invoice", {"order": "o-1", "total": 7}, Insert),
        ("count_sale", {"product": "p-1", "number": 2}, Fold),
        ("follow", {"kind": "address", "address": "here", "version": 3}, Replace),
        ("follow", {"kind": "order", "product": "p-1", "number": 2}, Transact),
    ],
)
def test_the_handlers_on_the_page_return_what_is_to_be_written(
    handler: str, body: dict[str, Any], kind: type, handlers: dict[str, Callable[..., Any]]
) -> None:
    """They are functions without side effects: called with a record, no mocks."""
    returned = handlers[handler](record(**body))
    assert isinstance(returned, kind)
    if isinstance(returned, Fold):
        assert returned.apply(returned.apply(None)) == {"sold": 4}


def test_the_handlers_on_the_page_are_lambda_handlers(handlers: dict[str, Any]) -> None:
    """Each example ends with one."""
    assert len(HANDLERS) == len([example for example in HANDLERS if "\nhandle = queue_consumer(" in example]) == 5
    assert callable(handlers["handle"])
    assert callable(handlers["handle_quote"])


@pytest.mark.parametrize("example", CONSTRUCTS, ids=["constructs", "store"])
def test_the_constructs_on_the_page_synthesize(example: str, tmp_path: Path) -> None:
    """In a stack with the folders that are named."""
    for name in re.findall(r'source="functions/(\w+)"', example):
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text("def handle(event, context):\n    return None\n")
    stacks = new_app()
    exec(example.replace("functions/", f"{tmp_path}/functions/"), dict(stacks))
    assert resources(stacks["stack"], "AWS::Lambda::EventSourceMapping")


def test_the_table_names_every_alarm_and_what_its_silence_means(tmp_path: Path) -> None:
    """None is missing, none is gone."""
    stack = new_app()["stack"]
    take = consumer(stack, "Take", source_folder(tmp_path))
    IdempotentConsumer(stack, "Orders", consumer=take, sideline_concurrency=2)
    told = re.findall(r"^\| ((?:`\w+Alarm`(?:, )?)+) \| .+ \| nothing happened \|$", PAGE, re.MULTILINE)
    names = {name for names in told for name in re.findall(r"`(\w+)`", names)}
    made = resources(stack, "AWS::CloudWatch::Alarm")
    own = {logical_id for logical_id in made if logical_id.startswith("Orders")}
    assert {re.sub(r"^Orders|[0-9A-F]{8}$", "", logical_id) for logical_id in own} == names
    assert {made[logical_id]["Properties"]["TreatMissingData"] for logical_id in own} == {"notBreaching"}


def test_the_number_of_alarms_is_the_one_that_is_paid(tmp_path: Path) -> None:
    """0.10 USD each, the function's two included."""
    stack = new_app()["stack"]
    IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source_folder(tmp_path)))
    number = len(resources(stack, "AWS::CloudWatch::Alarm"))
    (told, cost) = re.search(r"(\d+) alarms, the function's two included, are ([\d.]+) USD", PAGE).groups()  # type: ignore[union-attr]  # there
    assert int(told) == number == float(cost) * 10


def test_every_link_leads_somewhere() -> None:
    """No link of the page points at a file that is gone."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert [target for target in targets if not (DOCS / target).exists()] == []
