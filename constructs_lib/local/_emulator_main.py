"""Runs inside the emulator's own environment: starts it with Python functions on AWS's own runtime client.

A script, not a module of the library: it sees the standard library and the emulator only. Stock, the emulator runs
Python functions on its own interpreter, with its own packages in sight and error types of its own. Here each runs on
awslambdaric in the functions environment, spoken to over the emulator's Runtime API (the one it keeps for
`provided.*` runtimes), so that errors, environment reuse and JSON logs are those of AWS.

This reaches into private names of the emulator. All of them are listed in `_TOUCHED`, and in that of its companions
`_emulator_*.py`, and looked at before anything else happens, so that another release says so in a sentence instead of
failing somewhere inside.
"""

import argparse
import importlib
import importlib.util
import inspect
import io
import json
import os
import shlex
import signal
import socketserver
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.core.lambda_runtime": {
        "ProvidedWorker.__init__": ["self", "func_name", "config", "code_zip"],
        "ProvidedWorker._spawn": ["self", "init_timeout"],
        "ProvidedWorker._drain_stderr": ["self"],
        "ProvidedWorker._drain_stderr_bounded": ["self", "first_line_wait", "idle_confirm", "hard_cap"],
        "ProvidedWorker.invoke": ["self", "event", "request_id", "trace_id", "invoked_function_arn"],
        "_worker_class_for": ["config"],
    },
    "ministack.services.lambda_svc": {
        "_execute_function_provided_warm": ["func", "event", "request_id"],
        "_execute_function_warm": ["func", "event", "request_id"],
        "_poll_dynamodb_streams": [],
        "_poll_kinesis": [],
        "_provided_runtime_code_dir": ["code_zip"],
        "_provided_worker_env": ["config", "code_dir", "port"],
        "_resolve_layer_zip": ["attachment"],
    },
    "ministack.services.cloudformation.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_sm_secret_create": ["logical_id", "props", "stack_name"],
        "_sm_secret_delete": ["physical_id", "props"],
        "_sm_secret_update": ["physical_id", "old_props", "new_props", "stack_name", "logical_id"],
    },
    "ministack.services.sqs": {"DEFAULT_HOST": None, "DEFAULT_PORT": None, "_CANONICAL_NETLOC": None},
    "ministack.app": {"main": []},
}

# The scripts beside this one that make up for what services of the emulator lack.
_COMPANIONS = (
    *("_emulator_apis", "_emulator_events", "_emulator_mappings", "_emulator_route53", "_emulator_schedules"),
    "_emulator_tables",
)

# What a function's process may see of this process's environment: nothing but what AWS's runtime sets too.
_RUNTIME_VARIABLES = ("AWS_", "_HANDLER", "LAMBDA_TASK_ROOT", "_LAMBDA_", "_X_AMZN_")
_TASK_ROOT = "task_root"


def main() -> None:
    """Start the emulator, or print what it can deploy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resource-types", action="store_true", help="print the types it can deploy as JSON, and end")
    parser.add_argument("--port", type=int)
    parser.add_argument("--directory", type=Path, help="where it may write")
    parser.add_argument("--endpoint-url", help="where functions reach AWS")
    parser.add_argument("--functions-python", type=Path, help="interpreter of the functions environment")
    parser.add_argument("--function-environment", type=json.loads, help="what functions find there, as JSON")
    options = parser.parse_args()
    if not options.resource_types:
        _configure(options.port, options.directory, options.endpoint_url)
    companions = [_companion(name) for name in _COMPANIONS]
    functions = _companion("_emulator_functions")
    _check_touched_names(_TOUCHED)
    for companion in (*companions, functions):
        _check_touched_names(companion.TOUCHED)
    for companion in companions:
        companion.register(_module)
    if options.resource_types:
        print(json.dumps(sorted(_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS)))  # noqa: T201
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _run_python_functions_on_awslambdaric(options.functions_python, options.function_environment)
    functions.install(_module, options.directory)
    _leave_streams_to_the_mapping_runner()
    _refer_to_secrets_by_arn()
    _name_queues_after(options.endpoint_url)
    sys.argv = sys.argv[:1]
    _module("ministack.app").main()


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _companion(name: str) -> Any:
    """The script of that name beside this one; no folder of ours is on the path here."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    companion = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(companion)
    return companion


def _configure(port: int, directory: Path, endpoint_url: str) -> None:
    """The emulator reads these when it is imported."""
    temporary = directory / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": endpoint_url,
        "TMPDIR": str(temporary),
        "S3_DATA_DIR": str(directory / "s3"),
        "STATE_DIR": str(directory / "state"),
        "LAMBDA_EXECUTOR": "local",
        # It would look for containers of its own on this machine's Docker; there are none to find.
        "DOCKER_HOST": f"unix://{directory / 'no-docker'}",
        # Listeners of services nobody reaches here, on ports nobody chose.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }


def _check_touched_names(touched: dict[str, dict[str, list[str] | None]]) -> None:
    for module, names in touched.items():
        for name, parameters in names.items():
            found: Any = _module(module)
            for part in name.split("."):
                found = getattr(found, part, None)
            if found is None or (parameters is not None and list(inspect.signature(found).parameters) != parameters):
                version = importlib.import_module("importlib.metadata").version("ministack")
                sys.exit(
                    f"The local cloud is written for the emulator release its lock names; ministack {version} has no "
                    f"matching {module}.{name}. Build the environment from the library's own lock, or update both."
                )


def _end_with_parent() -> None:
    """End this process group once the parent is gone, however it went: its end of the pipe closes."""
    os.read(sys.stdin.fileno(), 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _run_python_functions_on_awslambdaric(interpreter: Path, found: dict[str, str]) -> None:
    runtime: Any = _module("ministack.core.lambda_runtime")
    service: Any = _module("ministack.services.lambda_svc")
    start_program = _zipped_start_program(interpreter)
    stock_worker_class, stock_execute = runtime._worker_class_for, service._execute_function_warm
    stock_environment = service._provided_worker_env

    # Small answers on the Runtime API would otherwise wait 40 ms for an acknowledgement.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True

    # Starting takes a core for half a second. When a burst finds no environment free, starting one for each request at
    # once would leave none of them time to answer, and so demand ever more.
    starts = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))

    class PythonWorker(runtime.ProvidedWorker):  # type: ignore[misc]  # a class known at run time only
        """One execution environment of a Python function."""

        config: dict[str, Any]
        _init_error: Any

        def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
            # The emulator starts the program `bootstrap` of an asset. The asset stays as it is: what is started
            # is a program of ours, which then goes to where the asset was unpacked.
            super().__init__(func_name, config, start_program)
            self.asset = code_zip

        def _spawn(self, init_timeout: float | None = None) -> None:
            self.config = {**self.config, _TASK_ROOT: service._provided_runtime_code_dir(self.asset)}
            with starts:
                super()._spawn(init_timeout)

        def invoke(self, event: Any, request_id: str, **options: Any) -> Any:
            try:
                return super().invoke(event, request_id, **options)
            except Exception:
                # An error at import is reported by the runtime client with AWS's own type; keep that.
                if not isinstance(self._init_error, dict):
                    raise
                error, self._init_error = self._init_error, None
                return {
                    "status": "error",
                    "error": error.get("errorMessage", ""),
                    "error_payload": error,
                    "log": self._drain_stderr(),
                }

        def _drain_stderr_bounded(
            self, first_line_wait: float = 0.005, idle_confirm: float = 0.002, hard_cap: float = 0.25
        ) -> str:
            # Stock waits 50 ms for a first line, which every silent invocation would pay.
            log: str = super()._drain_stderr_bounded(first_line_wait, idle_confirm, hard_cap)
            return log

    def worker_class(config: dict[str, Any]) -> Any:
        return PythonWorker if _is_python(config) else stock_worker_class(config)

    def execute(func: dict[str, Any], event: Any, request_id: str) -> Any:
        python = _is_python(func.get("config") or func)
        return (service._execute_function_provided_warm if python else stock_execute)(func, event, request_id)

    def environment(config: dict[str, Any], code_dir: str, port: int) -> dict[str, str]:
        variables: dict[str, str] = stock_environment(config, code_dir, port)
        if not _is_python(config):
            return {**found, **variables}
        layers = [
            service._provided_runtime_code_dir(content)
            for layer in config.get("Layers") or ()
            if (content := service._resolve_layer_zip(layer))
        ]
        return _function_environment(variables, config, layers, found)

    runtime._worker_class_for = worker_class
    service._execute_function_warm = execute
    service._provided_worker_env = environment


def _is_python(config: dict[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


def _zipped_start_program(interpreter: Path) -> bytes:
    # -s: no packages of the user's home; -m puts the task root first on the path, as on AWS.
    run = f'exec {shlex.quote(str(interpreter))} -s -m awslambdaric "$_HANDLER"'
    program = f'#!/bin/sh\ncd "$LAMBDA_TASK_ROOT" && unset OLDPWD && {run}\n'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bootstrap", program)
    return content.getvalue()


def _function_environment(
    variables: dict[str, str], config: dict[str, Any], layers: list[str], found: dict[str, str]
) -> dict[str, str]:
    """Of *variables* those AWS's runtime would set and the function's own; the rest is this machine's business.

    *found* is there besides, unless the function sets it itself.
    """
    own = (config.get("Environment") or {}).get("Variables") or {}
    logging = config.get("LoggingConfig") or {}
    search = [*(str(Path(layer) / "python") for layer in layers), own.get("PYTHONPATH")]
    environment = {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": os.environ["TMPDIR"],
        **found,
        **{name: value for name, value in variables.items() if name in own or name.startswith(_RUNTIME_VARIABLES)},
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}",
        "LAMBDA_TASK_ROOT": config[_TASK_ROOT],
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
    }
    if logging.get("LogFormat"):
        environment["AWS_LAMBDA_LOG_FORMAT"] = logging["LogFormat"]
    if logging.get("ApplicationLogLevel"):
        environment["AWS_LAMBDA_LOG_LEVEL"] = logging["ApplicationLogLevel"]
    return environment


def _leave_streams_to_the_mapping_runner() -> None:
    """Stock pollers ignore partial responses, bisecting, retries and destinations; they stay off."""
    service: Any = _module("ministack.services.lambda_svc")
    service._poll_kinesis = lambda: False
    service._poll_dynamodb_streams = lambda: False


def _refer_to_secrets_by_arn() -> None:
    """`Ref` of a secret is its ARN on AWS; the emulator's is the name, which its own policies then deny.

    Facts: AWS::SecretsManager::Secret, "Return values", in the CloudFormation template reference.
    """
    provisioners: Any = _module("ministack.services.cloudformation.provisioners")

    def name(arn: str) -> str:
        return arn.rpartition(":secret:")[2].rpartition("-")[0] or arn

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        _, attributes = provisioners._sm_secret_create(logical_id, props, stack_name)
        return attributes["Arn"], attributes

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        _, attributes = provisioners._sm_secret_update(name(physical_id), old, new, stack_name, logical_id)
        return attributes["Arn"], attributes

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        provisioners._sm_secret_delete(name(physical_id), props)

    provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"] |= {
        "create": create,
        "update": update,
        "delete": delete,
    }


def _name_queues_after(endpoint_url: str) -> None:
    """Some SDKs call a queue at its URL: that must lead where every other call goes."""
    sqs: Any = _module("ministack.services.sqs")
    parts = urlsplit(endpoint_url)
    sqs.DEFAULT_HOST, sqs.DEFAULT_PORT, sqs._CANONICAL_NETLOC = parts.hostname, str(parts.port), parts.netloc


if __name__ == "__main__":
    main()
