"""The structure of the code: allowed imports, sizes of folders, and docstrings of modules."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest

from tests import structure
from tests.reference import ROOT, first_sentence, modules
from tests.structure import circles, folder_graph, import_graph, imports

#: A package may import from itself and from those below it.
PACKAGES: Final = {
    "chatcli": {"chatcli.errors", "chatcli.client"},  # the library imports its parts on first use
    "chatcli.errors": set(),
    "chatcli.protocol": {"chatcli.errors"},
    "chatcli.store": {"chatcli.errors", "chatcli.protocol"},
    "chatcli.gateway": {"chatcli.errors", "chatcli.protocol"},
    "chatcli.server": {"chatcli", "chatcli.errors", "chatcli.protocol", "chatcli.store", "chatcli.gateway"},
    "chatcli.client": {"chatcli", "chatcli.errors", "chatcli.protocol"},
    "chatcli.bench": {"chatcli.errors", "chatcli.protocol", "chatcli.client"},
    # The store, for maintenance without a server: backups and checks.
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

#: The folders of a package, from top to bottom: each may import from those on the lines below it, and from modules of
#: the package itself.
FOLDERS: Final = {
    "chatcli.client": [
        {"tui", "api"},
        {"tui.input"},
        {"tui.terminal"},
        {"interactive"},
        {"feed", "oneshot"},
        {"outbox", "chat"},
        {"reading"},
        {"transport"},
        {"identity"},
        {"names"},
        {"storage"},
    ],
    "chatcli.cli": [{"commands"}, {"delivery", "listener"}, {"completion"}, {"options"}, {"output"}],
    "chatcli.server": [{"listeners"}, {"web"}, {"connection"}, {"handlers"}, {"arrival"}, {"state"}, {"security"}],
    "chatcli.store": [{"archive"}, {"maintenance"}, {"search"}, {"writing"}, {"sqlite"}],
}

#: The only places where a library may be imported.
CONFINED: Final = {
    "click": ("chatcli.cli",),
    "prompt_toolkit": ("chatcli.client.tui",),
    "sqlite3": ("chatcli.store",),
    "rapidfuzz": ("chatcli.client.chat", "chatcli.server.state"),
    "asyncio": (
        "chatcli.server.app",
        "chatcli.server.listeners",
        "chatcli.client.api",
        "chatcli.client.feed",
        "chatcli.client.interactive",
        "chatcli.client.transport.aio",
        "chatcli.client.transport.dialer",
        "chatcli.client.tui",
        "chatcli.cli",
    ),
    "socket": (
        "chatcli.bench",
        "chatcli.cli",
        "chatcli.client",
        "chatcli.server.app",
        "chatcli.server.listeners",
        "chatcli.server.systemd",
        "chatcli.sockets",
    ),
    "uvloop": ("chatcli.server.app",),
    "h11": ("chatcli.gateway.web.heads",),
    # The server's end, and that of a client whose way leads through HTTP.
    "websockets": ("chatcli.gateway.websocket", "chatcli.client.transport.tunnel", "chatcli.bench"),
    "prometheus_client": ("chatcli.server.metrics",),
    "segno": ("chatcli.cli.output.qr_code",),
}
MOST_IN_A_FOLDER: Final = 16
MOST_POSITIONAL: Final = 5

MODULES: Final = modules()
TREES: Final = dict(MODULES)
IDS: Final = [name for name, _ in MODULES]


def package(name: str) -> str:
    """Return the package of the table that a module of ours is in."""
    return max((one for one in PACKAGES if name == one or name.startswith(f"{one}.")), key=len)


def level(name: str, of: str) -> int:
    """Return the index of a module's line in ``FOLDERS``, or -1 for a module without a folder."""
    folder = name.removeprefix(f"{of}.").rpartition(".")[0]
    return next((number for number, folders in enumerate(FOLDERS.get(of, ())) if folder in folders), -1)


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=IDS)
def test_imports_run_downward(name: str, tree: ast.Module) -> None:
    """Server and client do not import each other, the protocol imports neither, and libraries stay in their folders."""
    own = package(name)
    for imported in imports(tree, TREES):
        allowed = CONFINED.get(imported.split(".")[0])
        assert allowed is None or name.startswith(allowed), f"{name} imports {imported}"
        if imported.split(".")[0] != "chatcli":
            continue
        assert package(imported) in PACKAGES[own] | {own}, f"{name} imports {imported}"
        if package(imported) == own:
            upper, lower = level(name, own), level(imported, own)
            same = name.rpartition(".")[0] == imported.rpartition(".")[0]
            assert same or -1 in (upper, lower) or upper < lower, f"{name} imports {imported}"


def test_no_circle_of_modules() -> None:
    """No module imports itself through others. Imports for types alone count."""
    assert circles(import_graph(TREES)) == []


def test_no_circle_of_folders() -> None:
    """No folder imports itself through others. A module beside its package's folders counts as a folder."""
    assert circles(folder_graph(TREES)) == []


def test_folders_are_not_crowded() -> None:
    """No folder has too many modules."""
    folders = [name.rpartition(".")[0] for name in structure.modules()]
    assert not {folder for folder in folders if folders.count(folder) > MOST_IN_A_FOLDER}


def test_protocol_does_no_io() -> None:
    """Nothing in the protocol and the gateways waits, reads the clock, draws random numbers or opens a file."""
    for name, tree in MODULES:
        if name.startswith(("chatcli.protocol", "chatcli.gateway")):
            outside = {"asyncio", "socket", "time", "random", "os", "io", "pathlib", "threading"}
            assert not imports(tree, TREES) & outside, name


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_module_docstrings(name: str, tree: ast.Module) -> None:
    """The first paragraph of each module's docstring is one sentence."""
    sentence = first_sentence(tree)
    assert sentence, name
    assert sentence.endswith("."), f"{name}: {sentence}"


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=IDS)
def test_no_call_has_six_positional_arguments(name: str, tree: ast.Module) -> None:
    """Nobody can read which is which; a format string for :mod:`struct` says it itself."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) != "struct.pack"]
    assert not [ast.unparse(call.func) for call in calls if len(call.args) > MOST_POSITIONAL], name


def test_docstrings_name_a_result_with_a_noun() -> None:
    """A clause in its place has to be read twice."""
    stilted = re.compile(r"Return (what|who|whose|how|why)\b")
    paths = [path for folder in ("chatcli", "tests", "docs") for path in (ROOT / folder).rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}: {docstring}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (docstring := ast.get_docstring(node))
        and stilted.match(docstring)
    }
    assert found == set()


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=[name for name, _ in MODULES])
def test_nothing_prints(name: str, tree: ast.Module) -> None:
    """No module calls print(): a command's answer goes through click or a view."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not any(isinstance(call, ast.Name) and call.id == "print" for call in calls), name
