import inspect
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from constructs_lib.local import _emulator_main as script


def stand_in(module: str, names: dict[str, list[str] | None]) -> ModuleType:
    """A module with the names that the script touches, each with the parameters it expects."""
    built = ModuleType(module)
    for name, parameters in names.items():
        owner: Any = built
        *path, last = name.split(".")
        for part in path:
            if part not in vars(owner):
                setattr(owner, part, type(part, (), {}))
            owner = getattr(owner, part)
        setattr(owner, last, {} if parameters is None else function(parameters))
    return built


def function(parameters: list[str]) -> Callable[..., None]:
    def anything(**_: Any) -> None: ...

    kinds = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in parameters]
    anything.__signature__ = inspect.Signature(kinds)  # type: ignore[attr-defined]  # what inspect.signature reads
    return anything


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    built = {module: stand_in(module, names) for module, names in script._TOUCHED.items()}
    monkeypatch.setattr(script, "_module", built.__getitem__)
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "9.9.9")
    return built


def test_the_release_it_is_written_for_passes(modules: dict[str, ModuleType]) -> None:
    """Every name is there with the parameters expected: nothing happens."""
    script._check_touched_names(script._TOUCHED)


def test_a_missing_name_is_one_sentence(modules: dict[str, ModuleType]) -> None:
    """Another release of the emulator says which name it lacks, before anything else happens."""
    del modules["ministack.services.lambda_svc"].__dict__["_provided_worker_env"]

    with pytest.raises(SystemExit, match=r"ministack 9\.9\.9 has no matching .*_provided_worker_env"):
        script._check_touched_names(script._TOUCHED)


def test_a_changed_signature_is_one_sentence(modules: dict[str, ModuleType]) -> None:
    """A name that takes other arguments than it did is as good as gone."""
    modules["ministack.core.lambda_runtime"].__dict__["_worker_class_for"] = function(["config", "more"])

    with pytest.raises(SystemExit, match="_worker_class_for"):
        script._check_touched_names(script._TOUCHED)


def test_queues_are_called_where_everything_is(modules: dict[str, ModuleType]) -> None:
    """The URL of a queue leads to the endpoint that functions have, not past the router."""
    script._name_queues_after("http://127.0.0.1:4570")

    sqs = vars(modules["ministack.services.sqs"])
    assert (sqs["DEFAULT_HOST"], sqs["DEFAULT_PORT"]) == ("127.0.0.1", "4570")
    assert sqs["_CANONICAL_NETLOC"] == "127.0.0.1:4570"


@pytest.mark.parametrize("name", script._COMPANIONS)
def test_a_companion_is_found_without_any_path(name: str) -> None:
    """The script runs isolated: what stands beside it is loaded by its place."""
    companion = script._companion(name)

    assert all(module.startswith("ministack.") for module in companion.TOUCHED)
    assert callable(companion.register)


def test_no_companion_is_forgotten() -> None:
    """Every script of that name beside this one is named in it, or the emulator would run without."""
    source = Path(script.__file__).read_text()

    beside = {path.stem for path in Path(script.__file__).parent.glob("_emulator_*.py")} - {"_emulator_main"}
    assert [name for name in sorted(beside) if f'"{name}"' not in source] == []


def test_a_function_sees_its_settings_and_those_of_awss_runtime_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's own environment, and so this machine's, stays out of a function's."""
    monkeypatch.setenv("TMPDIR", "/state/tmp")
    variables = {"AWS_REGION": "eu-west-1", "HOME": "/home/me", "GATEWAY_PORT": "1", "TABLE": "orders", "LANG": "own"}
    config = {
        "Runtime": "python3.13",
        "FunctionName": "orders",
        "Environment": {"Variables": {"TABLE": "orders", "LANG": "own"}},
        "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "LogGroup": "/orders"},
        "task_root": "/code",
    }
    found = {"HTTP_PROXY": "http://127.0.0.1:1", "TABLE": "not what the function says"}

    environment = script._function_environment(variables, config, ["/layer"], found)

    assert environment == {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/orders",
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        "AWS_REGION": "eu-west-1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "LAMBDA_TASK_ROOT": "/code",
        "LANG": "own",
        "PATH": os.defpath,
        "PYTHONPATH": "/layer/python",
        "TABLE": "orders",
        "TMPDIR": "/state/tmp",
        "TZ": ":UTC",
    }


def test_functions_of_other_runtimes_find_what_is_there_for_all(modules: dict[str, ModuleType]) -> None:
    """Programs that bring their own runtime go by the same settings, unless they set them themselves."""
    service = vars(modules["ministack.services.lambda_svc"])
    service["_provided_worker_env"] = lambda _config, _code_dir, _port: {"TABLE": "orders", "NO_PROXY": "*"}

    script._run_python_functions_on_awslambdaric(Path("python"), {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "a"})

    environment = service["_provided_worker_env"]({"Runtime": "provided.al2023"}, "/code", 1)
    assert environment == {"TABLE": "orders", "NO_PROXY": "*", "HTTP_PROXY": "http://127.0.0.1:1"}


def test_functions_start_on_the_functions_interpreter() -> None:
    """The program that the emulator starts runs AWS's runtime client with the lean environment's Python."""
    archive = zipfile.ZipFile(io.BytesIO(script._zipped_start_program(Path("/a b/python"))))

    assert b"'/a b/python' -s -m awslambdaric" in archive.read("bootstrap")


def test_ref_of_a_secret_is_its_arn(modules: dict[str, ModuleType]) -> None:
    """As on AWS; and what belongs to the secret is found again by that ARN when it changes or goes."""
    provisioners = modules["ministack.services.cloudformation.provisioners"]
    arn = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:slack-token-a1b2c3"
    deleted: list[str] = []
    vars(provisioners).update(
        _sm_secret_create=lambda *_: ("slack-token", {"Arn": arn}),
        _sm_secret_update=lambda physical_id, *_: (physical_id, {"Arn": arn}),
        _sm_secret_delete=lambda physical_id, _: deleted.append(physical_id),
        _RESOURCE_HANDLERS={"AWS::SecretsManager::Secret": {"update_with_logical_id": True}},
    )

    script._refer_to_secrets_by_arn()

    handlers = provisioners.__dict__["_RESOURCE_HANDLERS"]["AWS::SecretsManager::Secret"]
    assert handlers["create"]("Secret", {}, "stack") == (arn, {"Arn": arn})
    assert handlers["update"](arn, {}, {}, "stack", "Secret") == (arn, {"Arn": arn})
    handlers["delete"](arn, {})
    assert deleted == ["slack-token"]
