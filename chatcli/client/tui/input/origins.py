"""Tells typed text from pasted and restored text, also on terminals that do not mark pastes.

A line that was typed may be a command or name its recipient. In a text of several lines that was not typed, the first
word is more likely part of the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.client.chat.ambiguity import Origin, names_recipient

_PAUSE: Final = 0.05  # seconds without keys, after which a paste without marks is over


class Mark(NamedTuple):
    """The origin of a draft, and the first word that it had then."""

    origin: Origin
    head: str


class Origins:
    """The origins of the drafts that were not typed, by conversation."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def mark(self, name: str, origin: Origin, text: str) -> None:
        """Record the origin of a draft of several lines."""
        if "\n" in text:
            self._marks[name] = Mark(origin, _head(text))

    def mark_first_line(self, name: str, text: str) -> None:
        """Record that a draft is pasted, of which only the first line has come; no effect if its origin is known."""
        self._marks.setdefault(name, Mark("pasted", _head(text)))

    def get(self, name: str) -> Mark | None:
        """Return the mark of a draft."""
        return self._marks.get(name)

    def restore(self, name: str, mark: Mark | None) -> None:
        """Set the mark of a draft that was removed and has come back."""
        if mark is not None:
            self._marks[name] = mark

    def clear(self, name: str) -> None:
        """Forget the origin of a draft that is empty now."""
        self._marks.pop(name, None)

    def of(self, name: str, text: str) -> Origin:
        """Return the origin of a text; what was put in front of a paste by hand makes it typed."""
        mark = self._marks.get(name)
        if mark is None or "\n" not in text.strip() or not text.lstrip().startswith(mark.head):
            return "typed"
        return mark.origin


class Unseen:
    """Changes by the keys that were read last, of which the user has seen nothing yet.

    Args:
        reads: returns the number of reads of the keyboard: keys of one read were pressed before the first was shown.
    """

    def __init__(self, reads: Callable[[], int]) -> None:
        self._reads = reads
        self._was_empty = True
        self._started_in = self._returned_in = -1

    def update(self, text: str) -> bool:
        """Record a change of the text; return whether a new text was started."""
        started = self._was_empty and bool(text)
        self._was_empty = not text
        if started:
            self._started_in = self._reads()
        return started

    def returned(self) -> None:
        """Record that a line was not sent and came back."""
        self._returned_in = self._reads()

    @property
    def is_start(self) -> bool:
        """Whether the text was started by these keys."""
        return self._started_in == self._reads()

    @property
    def is_return(self) -> bool:
        """Whether a line came back after these keys."""
        return self._returned_in == self._reads()


class Burst:
    """Several lines that come at once: a terminal that does not mark pastes sends them as keys.

    Args:
        ended: called when no more lines follow.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None

    def is_continued_by(self, text: str, following: str) -> bool:
        """Return whether an Enter breaks a line of a paste.

        It does not if each line names its recipient: those may have been typed on a slow connection, and each of them
        is a message.

        Args:
            text: in the input line.
            following: the keys that came at once after the Enter.
        """
        if not following.strip():
            return False
        lines = filter(None, f"{text}\n{following}".split("\n"))
        return self._handle is not None or not all(map(names_recipient, lines))

    def extend(self) -> None:
        """Wait for more lines."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(_PAUSE, self._end)

    def end(self) -> bool:
        """End the burst, if there is one, after the keys that have been read; return whether there was one."""
        if self._handle is None:
            return False
        self._handle.cancel()
        self._handle = self._loop.call_soon(self._end)
        return True

    def _end(self) -> None:
        self._handle = None
        self._ended()


def _head(text: str) -> str:
    """Return the start of a text that decides whether it names a recipient or a command."""
    first = text.lstrip().partition("\n")[0]
    return first[: first.index(":") + 1] if ":" in first else first.partition(" ")[0]
