"""Measures the structure of the code: ``python -m tests.structure [DIRECTORY]`` prints it as a table.

DIRECTORY is a checkout, by default this one; so two versions can be compared.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT: Final = Path(__file__).parent.parent
_LONG: Final = 40  # lines of a function
_LARGEST: Final = 10  # classes in the table

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path = ROOT) -> dict[str, ast.Module]:
    """Return the modules of the package below ``root`` by dotted name, the packages themselves left out."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): ast.parse(path.read_text())
        for path in sorted(root.glob("chatcli/**/*.py"))
        if path.stem != "__init__"
    }


def imports(tree: ast.AST, names: Iterable[str]) -> set[str]:
    """Return the dotted names that a module imports, at any place and under ``TYPE_CHECKING``, too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(inner.intersection(names) or {node.module})
    return found


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components of more than one node (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = set(stack[stack.index(node) :])
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(component)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def import_graph(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return the modules of ours that each module imports."""
    return {name: imports(tree, trees).intersection(trees) - {name} for name, tree in trees.items()}


def folder_graph(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return the imports between folders; a module beside its package's folders counts as a folder."""
    inner = {name.rpartition(".")[0] for name in trees}

    def place(name: str) -> str:
        folder = name.rpartition(".")[0]
        return name if any(other.startswith(f"{folder}.") for other in inner) else folder

    graph: defaultdict[str, set[str]] = defaultdict(set)
    for name, targets in import_graph(trees).items():
        graph[place(name)].update({place(target) for target in targets} - {place(name)})
    return dict(graph)


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method of a module."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def length(node: Function | ast.ClassDef) -> int:
    """Return the number of lines, decorators left out."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def attributes(node: ast.ClassDef) -> set[str]:
    """Return the attributes that the methods of a class set on ``self``, and those that its body declares."""
    declared = {
        stmt.target.id for stmt in node.body if isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name)
    }
    return declared | {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and isinstance(inner.ctx, ast.Store)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == "self"
    }


def table(root: Path = ROOT) -> str:
    """Return the table, as text."""
    trees = modules(root)
    lines = {name: len((root / f"{name.replace('.', '/')}.py").read_text().splitlines()) for name in trees}
    folders = Counter(name.rpartition(".")[0] for name in trees)
    graph = import_graph(trees)
    every = [function for tree in trees.values() for function in functions(tree)]
    classes = [
        (length(node), node.name, name, sum(isinstance(item, Function) for item in node.body), len(attributes(node)))
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    parts = [
        f"modules: {len(trees)} in {len(folders)} folders; {sum(lines.values())} lines",
        f"lines of a module: median {statistics.median(lines.values()):.0f}, longest {max(lines.values())}",
        f"lines of a function: median {statistics.median(map(length, every)):.0f}, longest {max(map(length, every))}",
        f"functions over {_LONG} lines: {sum(length(one) > _LONG for one in every)} of {len(every)}",
        f"circles, those of types included: {[len(one) for one in circles(graph)] or 0}",
        f"circles of folders: {[sorted(one) for one in circles(folder_graph(trees))] or 0}",
        "",
        "| folder | modules | lines |",
        "|---|---|---|",
    ]
    for folder, count in sorted(folders.items()):
        within = sum(size for name, size in lines.items() if name.rpartition(".")[0] == folder)
        parts.append(f"| {folder} | {count} | {within} |")
    parts += ["", "| class | module | lines | methods | attributes |", "|---|---|---|---|---|"]
    for size, title, name, methods, fields in sorted(classes, reverse=True)[:_LARGEST]:
        parts.append(f"| {title} | {name} | {size} | {methods} | {fields} |")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT) + "\n")
