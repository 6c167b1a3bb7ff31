"""Completes the start of a line: people who are here, and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.protocol.grammar import COMMANDS
from chatcli.protocol.text import printable_line


class LineCompleter(Completer):
    """Knows the people and a document, and nothing else.

    Args:
        people: returns the names of those who may be meant, the likeliest first, and whether they are here.
    """

    def __init__(self, people: Callable[[], Mapping[str, bool]]) -> None:
        self._people = people

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 (prompt_toolkit's signature)
    ) -> Iterable[Completion]:
        """Yield what the first word may become."""
        before = document.text_before_cursor
        if " " in before or ":" in before:
            return
        prefix = "/" if before.startswith("/") else ""
        typed = before.removeprefix("/").casefold()
        if not prefix:
            for name, here in self._people().items():
                if name.casefold().startswith(typed):
                    where = "here" if here else "away"
                    yield Completion(f"{name}: ", -len(before), display=printable_line(name), display_meta=where)
        for row in COMMANDS:
            if row.words[0].startswith(typed):
                yield Completion(prefix + row.words[0], -len(before), display_meta=row.help)
