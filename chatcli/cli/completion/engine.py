"""Answers a shell that completes a command line of chatcli: with click's machinery, and in the words of each shell.

A shell calls the program with ``_CHATCLI_COMPLETE`` set to its name, and the line as arguments: bash hands over the
line as it stands up to the cursor, and the piece of it that it will replace; zsh and fish hand over the words, the last
of which is to be completed. The first line of the answer says what comes: ``words``, or ``files`` or ``dirs``, which
the shell knows better. In the answer nothing is left that a shell would act on, whatever is in a name. Nothing here
waits for a server, nothing is printed on standard error, and whatever goes wrong is no completion.
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
    """A word of a command line: as it stands there, what it means, and the quote that is open at its end."""

    raw: str
    value: str
    quote: str


class _Completion(ShellComplete):
    """Finds what may follow; what the shells want differs only in the words of the answer."""

    name = "chatcli"
    source_template = ""


def answer(cli: click.Command) -> None:
    """Answer the shell that has called."""
    sys.stdout.write(complete(cli, os.environ.get(VARIABLE, ""), sys.argv[1:]))
    sys.stdout.flush()


def complete(cli: click.Command, shell: str, arguments: list[str]) -> str:
    """Return the answer to a shell; an empty one where the shell is not known."""
    answer = {"bash": _for_bash, "zsh": _for_zsh, "fish": _for_fish}.get(shell)
    try:
        return "" if answer is None or not arguments else answer(cli, arguments)
    except (click.ClickException, click.exceptions.Exit, click.Abort, ChatError, OSError, ValueError):
        return ""


def completions(cli: click.Command, words: list[str], incomplete: str) -> list[CompletionItem[str]]:
    """Return what may stand in the place of an incomplete word, behind other words."""
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
    # Readline replaces no more than this piece of the word: what stands before it stays as it is.
    (kept,) = split(last.raw.removesuffix(piece)) or [Word("", "", "")]
    candidates = (
        _quoted(item.value[len(kept.value) :], last.quote)
        for item in found
        if item.value.casefold().startswith(kept.value.casefold())
    )
    return _answer(found, [candidate for candidate in candidates if candidate])


def _for_zsh(cli: click.Command, arguments: list[str]) -> str:
    """Answer with what to take off the beginning of the word, and then ``VALUE:DESCRIPTION`` for each."""
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
    """Answer with ``VALUE``, a tab, and a description for each; fish hands over words as they are written."""
    *words, last = [word.value for raw in arguments for word in split(raw) or [Word("", "", "")]]
    found = completions(cli, words, last)
    return _answer(found, [f"{item.value}\t{_line(item.help)}" if item.help else str(item.value) for item in found])


def _answer(found: list[CompletionItem[str]], lines: list[str]) -> str:
    kind = next((_KINDS[item.type] for item in found if item.type in _KINDS), "words")
    return "\n".join([kind, *(lines if kind == "words" else lines[:1])]) + "\n"


def _line(text: str | None) -> str:
    """Return how a description begins, on one line, of which nothing acts on a terminal."""
    from chatcli.protocol.text import printable_line

    line = printable_line(text or "").partition(". ")[0].removesuffix(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def split(line: str) -> list[Word]:
    """Return the words of a command line; the last is the one that is being written, and may be empty."""
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
    """Return a text so that bash takes it as it is, behind an open quote if there is one; empty if that cannot be."""
    if quote == "'":
        return "" if "'" in text else text
    if quote:  # where no backslash keeps ! from recalling an earlier line
        return "" if "!" in text else "".join(f"\\{char}" if char in _SPECIAL else char for char in text)
    return "".join(char if char in _PLAIN or not char.isascii() else f"\\{char}" for char in text)
