"""Writes the parts of the documentation that are made from the code: ``python -m tests.reference``."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Final

import click
from click.testing import CliRunner

from chatcli.cli.main import COMMANDS, cli
from chatcli.cli.settings import SETTINGS, Setting
from chatcli.cli.statuses import EXIT_STATUSES

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "chatcli"
_BEGIN, _END = "<!-- made from the code: begin -->", "<!-- made from the code: end -->"


_ABOUT: Final = """\
What `--help` prints, for all commands on one page. Made by `python -m tests.reference`; a test keeps it so.

The answer goes to standard output, everything else to standard error. Where an option names a variable, it may be given
in the environment instead. What `--json` prints is described on [a page of its own](json.md).
"""


def command_reference() -> str:
    """Return ``docs/cli.md``, made from what ``--help`` prints."""
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
    return "\n".join(parts) + "\n"


def command_lines() -> list[list[str]]:
    """Return the words of every command, those within groups behind their group."""
    lines: list[list[str]] = [[]]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        within = command.commands if isinstance(command, click.Group) else {}
        lines += [[name], *([name, inner] for inner in within)]
    return lines


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
    """Return the table of modules for ``docs/architecture.md``."""
    rows = [f"| `{name}` | {first_sentence(tree).replace('``', '`')} |" for name, tree in modules()]
    return "| module | what lives there |\n|---|---|\n" + "\n".join(rows)


def architecture(text: str) -> str:
    """Return ``docs/architecture.md`` with its table of modules made anew."""
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
    """Return ``docs/settings.md`` with its table made anew."""
    return _with_table(text, settings_table())


def _with_table(text: str, table: str) -> str:
    made = f"{_BEGIN}\n{table}\n{_END}"
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: made, text, flags=re.DOTALL)


def main() -> None:
    """Write the pages."""
    (ROOT / "docs/cli.md").write_text(command_reference())
    for name, made in (("architecture", architecture), ("settings", settings)):
        page = ROOT / f"docs/{name}.md"
        page.write_text(made(page.read_text()))
    click.echo("wrote docs/cli.md, docs/architecture.md and docs/settings.md", file=sys.stderr)


if __name__ == "__main__":
    main()
