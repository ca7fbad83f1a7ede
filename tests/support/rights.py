"""What the runtime's modules call, read from their source."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path


def modules_behind(module: str, seen: set[str]) -> Iterator[ast.Module]:
    """The runtime's modules that *module* is made of, those included that it loads only when they are needed."""
    if module in seen or not module.startswith("constructs_lib.runtime."):
        return
    seen.add(module)
    tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from modules_behind(node.module, seen)


def client_calls(tree: ast.Module) -> Iterator[str]:
    """Names of the methods that a module calls on clients of the SDK; of a paginator, the method it stands for."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method), args=args
            ) if name.endswith("client"):
                if method == "get_paginator":
                    (argument,) = args
                    assert isinstance(argument, ast.Constant)
                    yield str(argument.value)
                else:
                    yield method


def in_transactions(tree: ast.Module) -> Iterator[str]:
    """Kinds of the actions that a module puts into transactions: `{"Put": ...}`."""
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=[ast.Constant(value=str(kind))]) if kind in (
                "ConditionCheck",
                "Delete",
                "Put",
                "Update",
            ):
                yield kind
