"""Completes the start of a word: people, rooms, commands and what these take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.protocol.grammar import COMMANDS
from chatcli.protocol.text import printable_line

_ARGUMENTS = 2  # behind them stands text


class LineCompleter(Completer):
    """Knows the people, the rooms and a document, and nothing else.

    Args:
        people: returns the names of those who may be meant, the likeliest first, and whether they are here.
        rooms: returns the rooms that may be meant, and whether the user belongs to them.
    """

    def __init__(self, people: Callable[[], Mapping[str, bool]], rooms: Callable[[], Mapping[str, bool]]) -> None:
        self._people = people
        self._rooms = rooms

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 (prompt_toolkit's signature)
    ) -> Iterable[Completion]:
        """Yield what the word before the cursor may become: the first one, or what a command takes."""
        before = document.text_before_cursor
        words = before.split(" ")
        if len(words) > 1:
            yield from self._arguments(words)
        elif ":" not in before:
            yield from self._starts(before)

    def _starts(self, before: str) -> Iterable[Completion]:
        prefix = "/" if before.startswith("/") else ""
        typed = before.removeprefix("/")
        if not prefix:
            yield from self._names(typed, ": ")
            yield from self._room_names(typed, ": ")
        for row in COMMANDS:
            if row.words[0].startswith(typed.casefold()) and (prefix or row.bare):
                yield Completion(prefix + row.words[0], -len(before), display_meta=row.help)

    def _arguments(self, words: list[str]) -> Iterable[Completion]:
        command, *arguments = words
        takes = next((row.argument for row in COMMANDS if command.removeprefix("/").casefold() in row.words), "")
        if not command.startswith("/") or len(arguments) > _ARGUMENTS:
            return
        typed = arguments[-1]
        if "NAME" in takes:
            yield from self._names(typed)
        if "#ROOM" in takes:
            yield from self._room_names(typed)

    def _names(self, typed: str, behind: str = "") -> Iterable[Completion]:
        for name, here in self._people().items():
            if name.casefold().startswith(typed.casefold()):
                where = "here" if here else "away"
                yield Completion(f"{name}{behind}", -len(typed), display=printable_line(name), display_meta=where)

    def _room_names(self, typed: str, behind: str = "") -> Iterable[Completion]:
        for room, joined in self._rooms().items():
            if room.casefold().startswith(typed.casefold()):
                where = "your room" if joined else "a room"
                yield Completion(f"{room}{behind}", -len(typed), display=printable_line(room), display_meta=where)
