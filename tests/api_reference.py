"""Describes the library for ``docs/programs.md``: signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import chatcli
from chatcli.errors import ChatError


def api_reference() -> str:
    """Return the generated part of the page."""
    public = [getattr(chatcli, name) for name in chatcli.__all__ if not name.startswith("_")]
    errors = [one for one in public if inspect.isclass(one) and issubclass(one, ChatError)]
    classes = [one for one in public if inspect.isclass(one) and one not in errors]
    functions = [one for one in public if not inspect.isclass(one)]
    parts = [_described(one.__name__, one) for one in functions]
    for one in classes:
        own = one.__dict__
        parts.append(f"### `chatcli.{one.__name__}`\n\n{_block(one)}")
        parts += [
            _described(f"{one.__name__}.{name}", method)
            for name, method in own.items()
            if inspect.isfunction(method) and not name.startswith("_")
        ]
    rows = "\n".join(f"| `chatcli.{one.__name__}` | {_sentence(one)} |" for one in errors)
    return "\n".join(
        [
            *parts,
            f"### Exceptions\n\nEach says in a sentence what went wrong.\n\n| exception | meaning |\n|---|---|\n{rows}",
        ]
    )


def _described(name: str, function: Callable[..., Any]) -> str:
    return f"### `chatcli.{name}`\n\n{_block(function)}"


def _block(described: Any) -> str:  # noqa: ANN401 (a class or a function)
    """Return the signature and the docstring of a class or a function."""
    lines = []
    if inspect.isfunction(described):
        kind = "async " if inspect.iscoroutinefunction(described) else ""
        lines = _signature(f"{kind}{described.__name__}", inspect.signature(described))
    elif hasattr(described, "__slots__"):
        fields = [field for field in inspect.signature(described).parameters.values() if field.name[0] != "_"]
        lines = [f"{field.name}: {field.annotation}" for field in fields]
        lines += [
            f"{name}: {inspect.signature(one.fget).return_annotation}"
            for name, one in described.__dict__.items()
            if isinstance(one, property) and one.fget is not None
        ]
    # Double quotes, because the formatter checks code blocks of pages, too.
    code = "\n".join(lines).replace("'", '"')
    signature = f"```python\n{code}\n```\n\n" if code else ""
    return f"{signature}```text\n{inspect.getdoc(described)}\n```\n"


def _signature(name: str, signature: inspect.Signature) -> list[str]:
    parameters = []
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        default = "" if one.default is one.empty else f" = {one.default!r}"
        if one.name != "self":
            parameters.append(f"{one.name}: {one.annotation}{default}")
    line = f"{name}({', '.join(parameters)}) -> {signature.return_annotation}"
    if len(line) <= 100:
        return [line]
    return [f"{name}(", *(f"    {one}," for one in parameters), f") -> {signature.return_annotation}"]


def _sentence(described: type) -> str:
    return " ".join((inspect.getdoc(described) or "").split("\n\n")[0].split())
