"""How the alerting system's functions are written: pure domain, one task each, nothing remembered."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.testing.assembly import Assembly
from tests.fixtures.event_set import load_events
from tests.unit.lambdas.process_event.world import World, received

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = sorted((ROOT / "lambdas").glob("*/domain.py"))
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "lambdas").glob("*/handler.py"))
# What would give another answer tomorrow, or leave a trace.
IMPURE = {"os", "random", "secrets", "socket", "subprocess", "tempfile", "threading", "urllib.request", "uuid"}
CLOCKS = re.compile(r"\b(datetime|date)\.(now|utcnow|today)\(|\btime\.(time|sleep|monotonic)\(|\bopen\(|\bprint\(")


def imported(path: Path) -> set[str]:
    """Names of the modules that *path* imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.requirement("APP-01")
def test_domain_code_reaches_no_aws_library_even_indirectly() -> None:
    """The import contracts of pyproject.toml hold; data access is a layer of its own."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Domain code is plain Python: no AWS, no HTTP, no runtime KEPT" in " ".join(done.stdout.split())
    assert DOMAINS


@pytest.mark.requirement("APP-02")
@pytest.mark.parametrize("path", DOMAINS, ids=lambda path: path.parent.name)
def test_domain_functions_have_no_side_effects_of_their_own(path: Path) -> None:
    """They neither read clock, environment or chance nor write anything: such things come in as arguments and ports."""
    assert not imported(path) & IMPURE
    assert CLOCKS.findall(path.read_text()) == []
    assert [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Global)] == []


@pytest.mark.requirement("APP-03")
def test_each_function_has_one_task(cdk_app: Assembly) -> None:
    """A function answers one kind of request: one route, one queue, one stream or one workflow, never two of them."""
    template = cdk_app.templates["Alerting-us-east-1"]["Resources"]
    triggers: dict[str, set[str]] = defaultdict(set)
    for name, resource in template.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            # What waits on a queue's sideline are the same messages.
            triggers[resource["Properties"]["FunctionName"]["Ref"]].add(re.sub(r"(Sideline)?Mapping\w{8}$", "", name))
        elif resource["Type"] == "AWS::ApiGatewayV2::Integration":
            triggers[resource["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]].add(name)
    functions = {name for name, resource in template.items() if resource["Type"] == "AWS::Lambda::Function"}
    assert {name: found for name, found in triggers.items() if len(found) > 1} == {}
    # The one without a trigger of its own is the workflow's.
    assert [name for name in functions - triggers.keys() if not name.startswith("Escalation")] == []


@pytest.mark.requirement("APP-04")
def test_a_fresh_process_per_event_changes_nothing() -> None:
    """Events handled by one warm worker, or each by a worker that remembers nothing, end in the same alerts."""
    warm, fresh = World(), World()
    processor = warm.processor()
    for event in load_events():
        message = received(event.body, origin="sns" if event.how == "sns" else "http")
        processor.process(message, event_id=event.name, tenant="acme", correlation_id="c")
        fresh.processor().process(message, event_id=event.name, tenant="acme", correlation_id="c")
    assert warm.alerts() == fresh.alerts()
    assert warm.commands == fresh.commands
    assert warm.started == fresh.started


@pytest.mark.requirement("APP-04")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_keeps_no_state_in_its_modules(function: str) -> None:
    """No module of a function holds anything that an invocation could change."""
    for path in [*(ROOT / "lambdas" / function).glob("*.py"), *(ROOT / "lambdas" / "shared").rglob("*.py")]:
        assert list(mutable_globals(path)) == [], path.name


def mutable_globals(path: Path) -> Iterator[str]:
    """Module-level names of *path* that are lists or sets, or rebound by a function."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or "__all__" in ast.unparse(node):
            continue
        if isinstance(node.value, ast.List | ast.Set | ast.ListComp):
            yield ast.unparse(node)
    yield from (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Global))


def test_importing_a_handler_reads_and_connects_to_nothing() -> None:
    """Every handler can be imported without settings, region or credentials."""
    program = "\n".join(f"import lambdas.{function}.handler" for function in FUNCTIONS)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
