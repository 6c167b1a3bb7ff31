"""The house keeps its shape: who may import whom, and what each module says of itself."""

from __future__ import annotations

import ast
from typing import Final

import pytest

from tests.reference import first_sentence, modules

#: A package may import from those below it, and from itself. Downward only.
MAY_IMPORT: Final = {
    "chatcli": {"chatcli.errors", "chatcli.client"},  # what programs import, the first time that they use it
    "chatcli.errors": set(),
    "chatcli.protocol": {"chatcli.errors"},
    "chatcli.store": {"chatcli.errors", "chatcli.protocol"},
    "chatcli.server": {"chatcli", "chatcli.errors", "chatcli.protocol", "chatcli.store"},
    "chatcli.client": {"chatcli", "chatcli.errors", "chatcli.protocol"},
    "chatcli.bench": {"chatcli.errors", "chatcli.protocol", "chatcli.client"},
    # The store, because there is upkeep that no server is needed for: a backup, a look at the files.
    "chatcli.cli": {
        "chatcli",
        "chatcli.errors",
        "chatcli.protocol",
        "chatcli.server",
        "chatcli.client",
        "chatcli.bench",
        "chatcli.store",
    },
    "chatcli.__main__": {"chatcli.cli"},
}

#: Where a library may be imported; nowhere else.
CONFINED: Final = {
    "click": ("chatcli.cli",),
    "prompt_toolkit": ("chatcli.client.ui",),
    "sqlite3": ("chatcli.store",),
    "rapidfuzz": ("chatcli.server.directory",),
    "asyncio": ("chatcli.server.app", "chatcli.server.listeners", "chatcli.client", "chatcli.cli"),
    "uvloop": ("chatcli.server.app",),
}
WITHOUT_ASYNCIO: Final = {
    f"chatcli.client.{name}"
    for name in (
        *("admin", "oneshot", "chat", "commands", "events", "lookback", "memory", "nearby", "telling"),
        *("answers", "catching_up", "circle", "conversations", "delivery", "happenings", "turning"),
        *("exchange", "files", "identity", "known_servers", "trust", "tls", "outbox", "company", "cursors", "wanted"),
        *("backoff", "confirming", "mailing", "remarks", "spool", "lines", "cutting", "remembered", "roster"),
        *("question", "open_questions", "passing", "noting", "unread", "shapes", "leftovers", "persisting"),
    )
}

MODULES: Final = modules()
NAMES: Final = {name for name, _ in MODULES}


def imports(tree: ast.Module) -> set[str]:
    """Return the dotted names of all that a module imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(inner & NAMES or {node.module})
    return found


def package(name: str) -> str:
    """Return the room of the house that a module of ours is in."""
    return max((room for room in MAY_IMPORT if name == room or name.startswith(f"{room}.")), key=len)


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_run_downward_only(name: str, tree: ast.Module) -> None:
    """Server and client never know each other, the protocol knows nobody, and libraries stay in their rooms."""
    room = package(name)
    for imported in imports(tree):
        if imported.split(".")[0] == "chatcli":
            assert package(imported) in MAY_IMPORT[room] | {room}, f"{name} imports {imported}"
        allowed = CONFINED.get(imported.split(".")[0])
        if allowed is not None:
            assert name.startswith(allowed), f"{name} imports {imported}"


def test_the_hub_knows_no_listener_and_no_loop() -> None:
    """The middle of the server can be driven without a socket."""
    outer = ("chatcli.server.app", "chatcli.server.listeners")
    for name, tree in MODULES:
        if name.startswith("chatcli.server.") and not name.startswith(outer):
            outside = {"asyncio", "socket"} if name != "chatcli.server.supervisor" else {"asyncio"}
            assert not {one for one in imports(tree) if "listeners" in one or one in outside}, name
        if name in WITHOUT_ASYNCIO:
            assert "asyncio" not in imports(tree), name


def test_the_protocol_does_no_io() -> None:
    """Nothing in the protocol can wait, read the clock, draw lots or touch a file."""
    for name, tree in MODULES:
        if name.startswith("chatcli.protocol"):
            assert not imports(tree) & {"asyncio", "socket", "time", "random", "os", "io", "pathlib", "threading"}, name


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_every_module_says_in_one_sentence_what_lives_there(name: str, tree: ast.Module) -> None:
    """The first paragraph of each module's docstring is one sentence."""
    sentence = first_sentence(tree)
    assert sentence, name
    assert sentence.endswith("."), f"{name}: {sentence}"


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_nothing_is_confirmed_by_printing(name: str, tree: ast.Module) -> None:
    """No module prints: what goes to standard output is a command's answer, through click or a view."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not any(isinstance(call, ast.Name) and call.id == "print" for call in calls), name
