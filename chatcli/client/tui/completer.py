"""Completes the start of a word: people, rooms, commands, what these take, and mentions inside text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.protocol.grammar import COMMANDS, CommandHelp
from chatcli.protocol.names import ROOM_SIGN
from chatcli.protocol.text import printable_line

_MENTION: Final = "@"
_OPENING: Final = "([{\"'„“«"  # may stand in front of a mention
_TEXT: Final = ("TEXT", "REASON")  # goes on to the end of the line


class Surroundings(NamedTuple):
    """Whom and what the user may mean.

    Attributes:
        people: where each of them is, in a word; the likeliest first.
        rooms: the rooms, and whether the user belongs to them; the likeliest first.
        answers: what can be answered to each question that is open, by its place in the log; the first one first.
    """

    people: Mapping[str, str]
    rooms: Mapping[str, bool]
    answers: Mapping[str, Sequence[str]] = {}


class LineCompleter(Completer):
    """Knows the surroundings and a document, and nothing else.

    Args:
        look: returns the surroundings as they are.
    """

    def __init__(self, look: Callable[[], Surroundings]) -> None:
        self._look = look

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 (prompt_toolkit's signature)
    ) -> Iterable[Completion]:
        """Yield what the word before the cursor may become: the first one, what a command takes, or a mention."""
        before = document.text_before_cursor
        words = before.split(" ")
        typed = before.split()[-1] if before and not before[-1].isspace() else ""
        if len(words) == 1 and "\n" not in before and ":" not in before:
            yield from self._starts(before)
        elif (takes := _arguments_left(words)) is not None:
            yield from self._arguments(takes, typed)
            if "[CHOICE]" in takes:
                yield from self._choices(words, typed)
        yield from self._mentions(typed)

    def _starts(self, before: str) -> Iterator[Completion]:
        prefix = "/" if before.startswith("/") else ""
        typed = before.removeprefix("/")
        if not prefix:
            yield from self._names(typed, behind=": ")
            yield from self._room_names(typed, behind=": ")
        for row in COMMANDS:
            word = next((word for word in row.words if _begins(word, typed)), None)
            if word is not None and (prefix or row.bare):
                yield Completion(prefix + word, -len(before), display_meta=row.help)

    def _arguments(self, takes: list[str], typed: str) -> Iterator[Completion]:
        """Yield what a command may take of what it has not got yet."""
        offered = dict.fromkeys(one for argument in takes for one in argument.strip("[]").split("|"))
        for one in offered:
            before, colon, kind = one.rpartition(":")  # as in "from:NAME"
            limit = f"{before}{colon}"
            if limit and not _begins(typed[: len(limit)], limit[: len(typed)]):
                continue
            rest = typed[len(limit) :]
            if limit and len(typed) < len(limit):
                if typed:
                    yield Completion(limit, -len(typed), display_meta="limits the search")
            elif kind == "NAME":
                yield from self._names(rest)
            elif kind == "#ROOM":
                yield from self._room_names(rest)
            elif kind == "COMMAND":
                yield from _commands(rest)
            elif not kind.isupper() and not kind[0].isdigit() and _begins(kind, rest):
                yield Completion(kind, -len(rest))

    def _choices(self, words: list[str], typed: str) -> Iterator[Completion]:
        answers = self._look().answers
        named = next((answers[word] for word in words[1:-1] if word in answers), None)
        for choice in named or next(iter(answers.values()), ()):
            if _begins(choice, typed):
                yield Completion(choice, -len(typed), display=printable_line(choice))

    def _mentions(self, typed: str) -> Iterator[Completion]:
        word = typed.lstrip(_OPENING)
        if word.startswith(_MENTION):
            yield from self._names(word[1:], before=_MENTION, behind=" ")
        elif word.startswith(ROOM_SIGN) and typed != word:
            yield from self._room_names(word)

    def _names(self, typed: str, before: str = "", behind: str = "") -> Iterator[Completion]:
        for name, where in self._look().people.items():
            if _begins(name, typed):
                text = f"{before}{name}{behind}"
                yield Completion(
                    text, -len(before) - len(typed), display=before + printable_line(name), display_meta=where
                )

    def _room_names(self, typed: str, behind: str = "") -> Iterator[Completion]:
        for room, joined in self._look().rooms.items():
            if _begins(room, typed):
                where = "your room" if joined else "a room"
                yield Completion(f"{room}{behind}", -len(typed), display=printable_line(room), display_meta=where)


def _commands(typed: str) -> Iterator[Completion]:
    for row in COMMANDS:
        if _begins(row.words[0], typed.removeprefix("/")):
            yield Completion(row.words[0], -len(typed), display_meta=row.help)


def _arguments_left(words: list[str]) -> list[str] | None:
    """Return what the command in the first word takes beside what stands behind it already; None if it is none."""
    row = _row(words[0])
    if row is None:
        return None
    takes = row.argument.split()
    for word in filter(None, words[1:-1]):
        taken = next((argument for argument in takes if _fits(word, argument)), None)
        if taken is None or taken.strip("[]") in _TEXT:
            return []
        if taken != "[WORDS]":
            takes.remove(taken)
    return [] if takes and takes[0].strip("[]") in _TEXT else takes


def _row(word: str) -> CommandHelp | None:
    if not word.startswith("/"):
        return None
    return next((row for row in COMMANDS if word[1:].casefold() in row.words), None)


def _fits(word: str, argument: str) -> bool:
    """Return whether a word may be meant for this argument of a command."""
    kinds = argument.strip("[]").split("|")
    if word.startswith(ROOM_SIGN):
        return "#ROOM" in kinds
    if word in kinds or word.startswith("--"):
        return word in kinds
    return any(kind.isupper() and kind != "#ROOM" for kind in kinds) or any(
        ":" in kind and _begins(word, kind.partition(":")[0] + ":") for kind in kinds
    )


def _begins(name: str, typed: str) -> bool:
    """Return whether a name begins so, whatever its case and accents."""
    return _folded(name).startswith(_folded(typed))


def _folded(text: str) -> str:
    text = text.casefold()
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)).casefold()
