"""Completion of people, rooms, commands, their arguments, and mentions in text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.client.chat.chat import Chat
from chatcli.client.chat.questions import DECLINE
from chatcli.protocol.frames import Where
from chatcli.protocol.grammar import COMMANDS, CommandHelp
from chatcli.protocol.values.names import ROOM_SIGN, is_room, name_before_release
from chatcli.protocol.values.text import printable_line

_MENTION: Final = "@"
_OPENING: Final = "([{\"'„“«"  # characters allowed before a mention
_TEXT: Final = ("TEXT", "REASON")  # arguments that extend to the end of the line


class Surroundings(NamedTuple):
    """The people, rooms and answers that can be completed.

    Attributes:
        people: the presence of each person in words, empty if it is not known; the likeliest first.
        rooms: for each room, whether the user is a member; the likeliest first.
        answers: the answers to each open question, by the question's seq; the oldest first.
    """

    people: Mapping[str, str]
    rooms: Mapping[str, bool]
    answers: Mapping[str, Sequence[str]] = {}


_WORDS: Final[Mapping[Where | None, str]] = {"here": "here", "away": "away", "gone": "not here", None: ""}


def surroundings(chat: Chat) -> Surroundings:
    """Return the candidates of a chat: conversations first, the most recent of them first."""
    contacts, presence = chat.contacts, chat.contacts.presence
    recent = [*chat.conversations.ordered(), *reversed(contacts.partners)]
    others_here = sorted(presence.here, key=str.casefold)
    people = dict.fromkeys(name for name in (*recent, *others_here, *contacts.names()) if not is_room(name))
    own, others = (sorted(known.values(), key=str.casefold) for known in (contacts.rooms, contacts.other_rooms))
    rooms = dict.fromkeys(name for name in recent if is_room(name))
    return Surroundings(
        people={name: _WORDS[presence.where(name)] for name in people if name != chat.contacts.user},
        rooms={name: name in own for name in (*rooms, *own, *others)},
        answers={
            str(question.seq): (*question.choices, *((DECLINE,) if question.direct else ()))
            for question in chat.questions.open()
        },
    )


class LineCompleter(Completer):
    """Completes the word before the cursor.

    Args:
        look: returns the candidates.
    """

    def __init__(self, look: Callable[[], Surroundings]) -> None:
        self._look = look

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 (prompt_toolkit's signature)
    ) -> Iterable[Completion]:
        """Yield completions: of the first word, of a command's arguments, or of a mention."""
        before = document.text_before_cursor
        words = before.split(" ")
        typed = before.split()[-1] if before and not before[-1].isspace() else ""
        if len(words) == 1 and "\n" not in before and ":" not in before:
            yield from self._starts(before)
        elif (arguments := _arguments_left(words)) is not None:
            yield from self._arguments(arguments, typed)
            if "[CHOICE]" in arguments:
                yield from self._choices(words, typed)
        yield from self._mentions(typed)

    def _starts(self, before: str) -> Iterator[Completion]:
        prefix = "/" if before.startswith("/") else ""
        typed = before.removeprefix("/")
        if not prefix:
            yield from self._names(typed, suffix=": ")
            yield from self._room_names(typed, suffix=": ")
        for row in COMMANDS:
            word = next((word for word in row.words if _starts_with(word, typed)), None)
            if word is not None and (prefix or row.bare):
                yield Completion(prefix + word, -len(before), display_meta=row.help)

    def _arguments(self, arguments: list[str], typed: str) -> Iterator[Completion]:
        """Yield completions of the arguments that a command has not got yet."""
        offered = dict.fromkeys(one for argument in arguments for one in argument.strip("[]").split("|"))
        for one in offered:
            before, colon, kind = one.rpartition(":")  # as in "from:NAME"
            limit = f"{before}{colon}"
            if limit and not _starts_with(typed[: len(limit)], limit[: len(typed)]):
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
            elif not kind.isupper() and not kind[0].isdigit() and _starts_with(kind, rest):
                yield Completion(kind, -len(rest))

    def _choices(self, words: list[str], typed: str) -> Iterator[Completion]:
        answers = self._look().answers
        named = next((answers[word] for word in words[1:-1] if word in answers), None)
        for choice in named or next(iter(answers.values()), ()):
            if _starts_with(choice, typed):
                yield Completion(choice, -len(typed), display=printable_line(choice))

    def _mentions(self, typed: str) -> Iterator[Completion]:
        word = typed.lstrip(_OPENING)
        if word.startswith(_MENTION):
            yield from self._names(word[1:], prefix=_MENTION, suffix=" ")
        elif word.startswith(ROOM_SIGN) and typed != word:
            yield from self._room_names(word)

    def _names(self, typed: str, prefix: str = "", suffix: str = "") -> Iterator[Completion]:
        for name, where in self._look().people.items():
            if (prefix or suffix) and name_before_release(name) is not None:
                continue  # nobody can be written to under such a name
            if _starts_with(name, typed):
                text = f"{prefix}{name}{suffix}"
                yield Completion(
                    text, -len(prefix) - len(typed), display=prefix + printable_line(name), display_meta=where
                )

    def _room_names(self, typed: str, suffix: str = "") -> Iterator[Completion]:
        for room, joined in self._look().rooms.items():
            if _starts_with(room, typed):
                where = "your room" if joined else "a room"
                yield Completion(f"{room}{suffix}", -len(typed), display=printable_line(room), display_meta=where)


def _commands(typed: str) -> Iterator[Completion]:
    for row in COMMANDS:
        if _starts_with(row.words[0], typed.removeprefix("/")):
            yield Completion(row.words[0], -len(typed), display_meta=row.help)


def _arguments_left(words: list[str]) -> list[str] | None:
    """Return the arguments missing after the command in the first word; None if that is not a command."""
    row = _row(words[0])
    if row is None:
        return None
    missing = row.argument.split()
    for word in filter(None, words[1:-1]):
        given = next((argument for argument in missing if _fits(word, argument)), None)
        if given is None or given.strip("[]") in _TEXT:
            return []
        if given != "[WORDS]":
            missing.remove(given)
    return [] if missing and missing[0].strip("[]") in _TEXT else missing


def _row(word: str) -> CommandHelp | None:
    if not word.startswith("/"):
        return None
    return next((row for row in COMMANDS if word[1:].casefold() in row.words), None)


def _fits(word: str, argument: str) -> bool:
    """Return whether a word can be this argument of a command."""
    kinds = argument.strip("[]").split("|")
    if word.startswith(ROOM_SIGN):
        return "#ROOM" in kinds
    if word in kinds or word.startswith("--"):
        return word in kinds
    return any(kind.isupper() and kind != "#ROOM" for kind in kinds) or any(
        ":" in kind and _starts_with(word, kind.partition(":")[0] + ":") for kind in kinds
    )


def _starts_with(name: str, typed: str) -> bool:
    """Return whether a name starts with the typed text, ignoring case and accents."""
    return _folded(name).startswith(_folded(typed))


def _folded(text: str) -> str:
    text = text.casefold()
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)).casefold()
