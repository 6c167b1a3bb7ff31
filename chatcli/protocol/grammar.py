"""What a typed line means: ``bob: hi``, ``who``, ``server:exit``, ``/help``."""

from __future__ import annotations

import difflib
from typing import Final, NamedTuple


class Say(NamedTuple):
    """A message to someone."""

    to: str
    text: str


class Command(NamedTuple):
    """A command, by its main word, and what stands behind it."""

    word: str
    argument: str = ""


class Unclear(NamedTuple):
    """A line that means nothing; the sentence says what to write instead."""

    sentence: str


class CommandHelp(NamedTuple):
    """One row of the command table."""

    words: tuple[str, ...]  # the main word first
    help: str
    argument: str = ""  # what to write behind it; such a command is always written with a slash


COMMANDS: Final = (
    CommandHelp(("who",), "list who is here"),
    CommandHelp(("help",), "show this"),
    CommandHelp(("exit", "quit"), "leave; Ctrl-D does the same"),
    CommandHelp(("kick",), "for operators: send someone away", "NAME [REASON]"),
    CommandHelp(("ban",), "for operators: keep someone out", "NAME [2d] [REASON]"),
    CommandHelp(("unban",), "for operators: let someone in again", "NAME"),
    CommandHelp(("mute",), "for operators: let someone read, but not write", "NAME [10m] [REASON]"),
    CommandHelp(("unmute",), "for operators: let someone write again", "NAME"),
)
_MAIN_WORD: Final = {word: row.words[0] for row in COMMANDS for word in row.words}
_BARE: Final = {word for row in COMMANDS for word in row.words if not row.argument}
_ARGUMENT: Final = {row.words[0]: row.argument for row in COMMANDS}

TO_WHOM: Final = 'To whom? Write "name: text", as in "bob: hi". Type "help" for more.'


def help_lines() -> list[str]:
    """Return what ``help`` shows, made from the command table."""
    rows = [("name: text", 'say text to name, as in "bob: hi"')]
    rows += [(_shown(row), row.help) for row in COMMANDS]
    width = max(len(left) for left, _ in rows)
    return [f"{left:<{width}}   {right}" for left, right in rows] + [
        'Commands may also be written "/who" or "server:who". Whoever is away gets what you say on return.',
        "On a terminal: Tab completes names, Up brings back lines, Ctrl-C clears the line or leaves an empty one.",
    ]


def _shown(row: CommandHelp) -> str:
    return f"/{row.words[0]} {row.argument}" if row.argument else " or ".join(row.words)


def parse_line(line: str) -> Say | Command | Unclear | None:
    """Return what the line means, or None where it is blank."""
    stripped = line.strip()
    if not stripped:
        return None
    if stripped.startswith("/"):
        return _command(stripped[1:], prefix="/")
    if stripped.casefold() in _BARE:
        return _command(stripped, prefix="")
    return _parse_message(line)


def _parse_message(line: str) -> Say | Command | Unclear:
    to, colon, text = line.partition(":")
    to = to.strip()
    if not colon or not to or any(char.isspace() for char in to) or text.startswith("//"):
        return Unclear(TO_WHOM)
    if to.casefold() == "server":
        return _command(text.strip(), prefix="server:")
    if not text.strip():
        return Unclear(f'Nothing to say yet: write the text after "{to}:".')
    return Say(to, text.removeprefix(" ").rstrip("\r\n"))


def _command(line: str, prefix: str) -> Command | Unclear:
    word, _, argument = line.partition(" ")
    main = _MAIN_WORD.get(word.casefold())
    if main and bool(argument.strip()) == bool(_ARGUMENT[main]):
        return Command(main, argument.strip())
    if main and _ARGUMENT[main]:
        return Unclear(f'Write "/{main} {_ARGUMENT[main]}".')
    word = line
    near = difflib.get_close_matches(word.casefold(), _MAIN_WORD, n=1)
    hint = f'Did you mean "{prefix}{near[0]}"?' if near else 'Type "help" to see what there is.'
    return Unclear(f'There is no command "{prefix}{word}". {hint}')
