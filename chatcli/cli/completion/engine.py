"""Answers a shell that completes a command line of chatcli, in the form that the shell expects.

A shell calls the program with ``_CHATCLI_COMPLETE`` set to its name, and the line as arguments: bash passes the
raw line up to the cursor, and the piece of it that it will replace; zsh and fish pass the words, the last of which is
incomplete. The first line of the answer is its kind: ``words``, or ``files`` or ``dirs``, which the shell completes
itself. The answer contains nothing that a shell would execute, whatever is in a name. Nothing here waits for a server
or prints on standard error; an error means no completion.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete

from chatcli.errors import ChatError

VARIABLE: Final = "_CHATCLI_COMPLETE"

_BLANK: Final = " \t\n"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,%:@")
_SPECIAL: Final = '\\"$`'  # within double quotes
_LONGEST: Final = 60  # characters of a description
_KINDS: Final = {"file": "files", "dir": "dirs"}


class Word(NamedTuple):
    """A word of a command line: as written, its value, and the quote that is open at its end."""

    raw: str
    value: str
    quote: str


class _Completion(ShellComplete):
    """Finds candidates with click; the shells differ only in the form of the answer."""

    name = "chatcli"
    source_template = ""


def answer(cli: click.Command) -> None:
    """Print the answer to the shell that has started the program."""
    sys.stdout.write(complete(cli, os.environ.get(VARIABLE, ""), sys.argv[1:]))
    sys.stdout.flush()


def complete(cli: click.Command, shell: str, arguments: list[str]) -> str:
    """Return the answer to a shell; empty if the shell is not known."""
    answer = {"bash": _for_bash, "zsh": _for_zsh, "fish": _for_fish}.get(shell)
    try:
        return "" if answer is None or not arguments else answer(cli, arguments)
    except (click.ClickException, click.exceptions.Exit, click.Abort, ChatError, OSError, ValueError):
        return ""


def completions(cli: click.Command, words: list[str], incomplete: str) -> list[CompletionItem[str]]:
    """Return the candidates for an incomplete word after other words."""
    found = _Completion(cli, {}, "chatcli", VARIABLE).get_completions(words, incomplete)
    option, with_value, _ = incomplete.partition("=")
    if not (with_value and option.startswith("--")):
        return found
    return [CompletionItem(f"{option}={item.value}", item.type, item.help) for item in found]


def _for_bash(cli: click.Command, arguments: list[str]) -> str:
    line, piece = (*arguments, "")[:2]
    _, *words = split(line) or [Word("", "", "")]
    if not words:
        return ""
    last = words.pop()
    found = completions(cli, [word.value for word in words], last.value)
    # Readline replaces only this piece of the word: the part before it stays as written.
    (kept,) = split(last.raw.removesuffix(piece)) or [Word("", "", "")]
    candidates = (
        _quoted(item.value[len(kept.value) :], last.quote)
        for item in found
        if item.value.casefold().startswith(kept.value.casefold())
    )
    return _answer(found, [candidate for candidate in candidates if candidate])


def _for_zsh(cli: click.Command, arguments: list[str]) -> str:
    """Return the marks up to which the word is kept, and then ``VALUE:DESCRIPTION`` for each candidate."""
    *words, last = arguments
    found = completions(cli, words, last)
    option = last.startswith("--") and "=" in last
    value = last.partition("=")[2] if option else last
    many = any(item.many for item in found) and "," in value
    lines = []
    for item in found:
        text = item.value.partition("=")[2] if option else item.value
        text = text.rpartition(",")[2] if many else text
        text = text.replace("\\", "\\\\").replace(":", "\\:")
        lines.append(f"{text}:{_line(item.help)}" if item.help else text)
    return _answer(found, ["=" * option + "," * many, *lines])


def _for_fish(cli: click.Command, arguments: list[str]) -> str:
    """Return ``VALUE``, a tab, and a description for each candidate; fish passes words as they are written."""
    *words, last = [word.value for raw in arguments for word in split(raw) or [Word("", "", "")]]
    found = completions(cli, words, last)
    return _answer(found, [f"{item.value}\t{_line(item.help)}" if item.help else str(item.value) for item in found])


def _answer(found: list[CompletionItem[str]], lines: list[str]) -> str:
    kind = next((_KINDS[item.type] for item in found if item.type in _KINDS), "words")
    return "\n".join([kind, *(lines if kind == "words" else lines[:1])]) + "\n"


def _line(text: str | None) -> str:
    """Return the beginning of a description as one printable line."""
    from chatcli.protocol.values.text import printable_line

    line = printable_line(text or "").partition(". ")[0].removesuffix(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def split(line: str) -> list[Word]:
    """Return the words of a command line; the last is the one that is being written, and may be empty."""
    # click's own splitter drops the open quote and the raw word, which bash needs to replace the right piece and to
    # quote the rest, and it imports shlex, which a press of Tab would feel.
    words: list[Word] = []
    raw = value = quote = ""
    escaped = False
    for char in line:
        if not (raw or char not in _BLANK):
            continue
        if escaped:
            escaped = False
            value += char if not quote or char in _SPECIAL else "\\" + char
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote, value = ("", value) if char == quote else (quote, value + char)
        elif char in "'\"":
            quote = char
        elif char in _BLANK:
            words.append(Word(raw, value, ""))
            raw = value = ""
            continue
        else:
            value += char
        raw += char
    if raw or (line and line[-1] in _BLANK):
        words.append(Word(raw, value, quote))
    return words


def _quoted(text: str, quote: str) -> str:
    """Return a text quoted for bash, within an open quote if there is one; empty if that is impossible."""
    if quote == "'":
        return "" if "'" in text else text
    if quote:  # within double quotes, a backslash does not keep ! from recalling an earlier line
        return "" if "!" in text else "".join(f"\\{char}" if char in _SPECIAL else char for char in text)
    return "".join(char if char in _PLAIN or not char.isascii() else f"\\{char}" for char in text)
