"""Writes the generated parts of the documentation: ``python -m tests.reference``."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import click
from click.testing import CliRunner

from chatcli.cli.exit_status import EXIT_STATUSES
from chatcli.cli.main import COMMANDS, cli
from chatcli.cli.options.settings import SETTINGS, Setting
from chatcli.cli.output.schema import ALSO_PRINTED, PRINTED, record_name, schema
from tests.api_reference import api_reference

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "chatcli"
_BEGIN, _END = "<!-- made from the code: begin -->", "<!-- made from the code: end -->"


_ABOUT: Final = """\
What `--help` prints, for all commands on one page. Made by `python -m tests.reference`; a test keeps it so.

The answer goes to standard output, everything else to standard error. Where an option names a variable, it may be given
in the environment instead. What `--json` prints is described on [a page of its own](json.md).
"""

#: The heading after the table of statuses.
_OUTPUT: Final = """
Where standard output cannot be written, because the disk is full or it is closed (`>&-`), a sentence says so, and the
status is 1; but `send` and `ask` keep the status of what was done, lest it be done again, and `listen --exec` needs no
output. A pipe that nobody reads any more ends a command without a sentence."""


def command_reference() -> str:
    """Return ``docs/cli.md``, made from the output of ``--help``."""
    parts = [
        "# The commands\n",
        _ABOUT,
    ]
    for words in command_lines():
        text = CliRunner().invoke(cli, [*words, "--help"], prog_name="chatcli", terminal_width=100, env=_bare()).output
        parts.append(f"## `{' '.join(['chatcli', *words])}`\n\n```text\n{text.rstrip()}\n```\n")
    rows = [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()]
    parts.append("## Exit statuses\n\nThe same for all commands.\n\n| status | meaning |\n|---|---|")
    parts[-1] += "".join(f"\n{row}" for row in rows)
    parts.append(_OUTPUT)
    return "\n".join(parts) + "\n"


def command_lines() -> list[list[str]]:
    """Return the words of each command, with those within groups after their group."""
    lines: list[list[str]] = [[]]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        within = command.commands if isinstance(command, click.Group) else {}
        lines += [[name], *([name, inner] for inner in within)]
    return lines


def command_of(words: str) -> click.Command:
    """Return the command of these words."""
    command: click.Command = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


def _bare() -> dict[str, str | None]:
    return dict.fromkeys(
        [*(setting.variable for setting in SETTINGS.values()), "CHATCLI_SERVE_HOST", "CHATCLI_SERVE_PORT"]
    )


def modules() -> list[tuple[str, ast.Module]]:
    """Return every module of the package by its dotted name, parsed."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((name, ast.parse(path.read_text())))
    return found


def first_sentence(module: ast.Module) -> str:
    """Return the first paragraph of a module's docstring, on one line."""
    docstring = ast.get_docstring(module) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def module_table() -> str:
    """Return the table of modules for ``docs/modules.md``."""
    rows = [f"| `{name}` | {first_sentence(tree).replace('``', '`')} |" for name, tree in modules()]
    return "| module | what lives there |\n|---|---|\n" + "\n".join(rows)


def module_list(text: str) -> str:
    """Return ``docs/modules.md`` with a new table of modules."""
    return _with_table(text, module_table())


def settings_table() -> str:
    """Return the table of settings for ``docs/settings.md``."""
    rows = []
    for setting in SETTINGS.values():
        flag = setting.flag.replace("/", "`, `")
        words = getattr(setting.type, "choices", ())
        one_of = f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""
        cells = (f"`{setting.key}`", f"`{flag}`", f"`{setting.variable}`", _default(setting), f"{setting.help}{one_of}")
        rows.append(f"| {' | '.join(cells)} |")
    return "| setting | flag | variable | default | meaning |\n|---|---|---|---|---|\n" + "\n".join(rows)


def _default(setting: Setting) -> str:
    if setting.default is None:
        return setting.otherwise
    return f"`{str(setting.default).lower() if setting.switch else setting.default}`"


def settings(text: str) -> str:
    """Return ``docs/settings.md`` with a new table."""
    return _with_table(text, settings_table())


def json_schema() -> str:
    """Return ``docs/schema.json``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def json_page(text: str) -> str:
    """Return ``docs/json.md`` with a new section for each kind of object."""
    parts = [_json_part(name, part) for name, part in schema()["$defs"].items()]
    return _with_table(text, "\n".join(parts))


def _json_part(name: str, part: dict[str, Any]) -> str:
    pairs = [*PRINTED.items(), *ALSO_PRINTED.items()]
    commands = [f"`chatcli {words} --json`" for words, kind in pairs if name == record_name(kind)]
    rows = [
        f"| `{field}` | {_json_type(kind)} | {kind.get('description', '')} |"
        for field, kind in part["properties"].items()
    ]
    about = " ".join(part["description"].split())
    printed = f" Printed by {', '.join(commands)}." if commands else ""
    return "\n".join([f"## `{name}`\n\n{about}{printed}\n\n| field | type | |\n|---|---|---|", *rows, ""])


def _json_type(kind: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in kind:
        return " or ".join(map(_json_type, kind["anyOf"]))
    if "enum" in kind:
        return " or ".join(f'`"{word}"`' if isinstance(word, str) else f"`{word}`" for word in kind["enum"])
    if kind.get("format") == "date-time":
        return "time"
    if kind["type"] == "array":
        return f"array of {_json_type(kind['items'])}s"
    return str(kind["type"])


def programs(text: str) -> str:
    """Return ``docs/programs.md`` with a new reference."""
    return _with_table(text, api_reference())


def _with_table(text: str, table: str) -> str:
    made = f"{_BEGIN}\n{table}\n{_END}"
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: made, text, flags=re.DOTALL)


#: Pages with generated parts.
PAGES: Final = {"modules": module_list, "settings": settings, "json": json_page, "programs": programs}


def main() -> None:
    """Write the pages."""
    (ROOT / "docs/cli.md").write_text(command_reference())
    (ROOT / "docs/schema.json").write_text(json_schema())
    for name, made in PAGES.items():
        page = ROOT / f"docs/{name}.md"
        page.write_text(made(page.read_text()))
    pages = ", ".join(f"docs/{name}.md" for name in PAGES)
    click.echo(f"wrote docs/cli.md, docs/schema.json, {pages}", file=sys.stderr)


if __name__ == "__main__":
    main()
