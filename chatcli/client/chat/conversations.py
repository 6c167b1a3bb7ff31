"""The conversations of a user: which one is open, which came last, and what is unread in the others."""

from __future__ import annotations

from collections import deque
from typing import Final

from chatcli.protocol.names import fold

_REMEMBERED: Final = 500  # conversations
_WRITERS: Final = 10  # people who have written; it matters only whether it is one
_COUNTED: Final = 1000  # unread messages of one conversation, of each of which it is known where in the log it stands


class Conversations:
    """What the input line, the toolbar and the commands need to know of conversations.

    Attributes:
        current: the person or the room that plain text goes to; empty where there is none. As long as the user has
            opened none, it is that of the only person who has written.
        unread: how many messages came in conversations other than the current one, by name as written.
        drafts: what was typed and not sent, by name as written; kept by whoever has the input line.
        muted: the conversations that the user wants to be quiet, folded.
    """

    def __init__(self) -> None:
        self.current = ""
        self.unread: dict[str, int] = {}
        self.drafts: dict[str, str] = {}
        self.muted: set[str] = set()
        self._chosen = False  # whether the user has opened one
        self._writers: dict[str, str] = {}  # the people who have written to the user, by folded name
        self._before = ""  # the conversation that was open before the current one
        self._names: dict[str, str] = {}  # as written, by folded name, the most recent last
        self._begun: dict[str, None] = {}  # the same, folded, the first one first
        self._places: dict[str, deque[int]] = {}  # of what is unread, in the log, by folded name
        self._read = 0  # up to here the user has read elsewhere

    def ordered(self) -> list[str]:
        """Return the conversations, the most recent first."""
        return list(reversed(self._names.values()))

    def numbered(self) -> list[str]:
        """Return the conversations in the order in which they began.

        What comes meanwhile changes nothing about that, so a number that the user is about to press stays what it was.
        """
        return [self._names[key] for key in self._begun]

    def switch(self, name: str) -> None:
        """Open a conversation; nothing in it is unread any more."""
        name = self.touch(name)
        if self._chosen and self.current and self.current != name:
            self._before = self.current
        self._chosen = True
        self.current = name
        self._clear(fold(name))

    def wrote(self, name: str) -> None:
        """Note that somebody has written to the user alone."""
        if len(self._writers) < _WRITERS:
            self._writers.setdefault(fold(name), name)

    def writers(self) -> list[str]:
        """Return the people who have written to the user, the first one first, as far as they are counted."""
        return list(self._writers.values())

    def only_writer(self) -> str:
        """Return the only person who has written, if the user has opened no conversation; empty where there is none."""
        return next(iter(self._writers.values())) if len(self._writers) == 1 and not self._chosen else ""

    def suggest(self) -> bool:
        """Have the conversation open of the only person who has written; return whether that changes which one is open.

        To be called only while nothing is being typed: what was begun is said to whom it was begun to. Once the user
        has opened a conversation, none opens by itself.
        """
        if self._chosen:
            return False
        name = self.only_writer()
        if name != self.current and self.drafts.get(name):  # an old draft would come up under the user's fingers
            name = ""
        changed = self.current != name
        self.current = name
        return changed

    def back(self) -> bool:
        """Open the conversation that was open before; return whether there was one."""
        if not self._before:
            return False
        self.switch(self._before)
        return True

    def touch(self, name: str) -> str:
        """Note that a conversation is the most recent one now; return its name as written."""
        key = fold(name)
        name = self._names.pop(key, name)
        self._names[key] = name
        self._begun.setdefault(key)
        if len(self._names) > _REMEMBERED:
            self.forget(next(other for other in self._names.values() if other not in (self.current, name)))
        return name

    def respell(self, name: str) -> None:
        """Note how a conversation's name is really written."""
        key = fold(name)
        before = self._names.get(key, name)
        if before == name:
            return
        self._names[key] = name
        self.current, self._before = (name if one == before else one for one in (self.current, self._before))
        for kept in (self.unread, self.drafts):
            if before in kept:
                kept[name] = kept.pop(before)  # type: ignore[assignment] # each value goes back to where it was

    def forget(self, name: str) -> None:
        """Note that there is no such conversation any more; if it is open, none is.

        The one before it is not opened in its place: what the user is about to send would go there unseen.
        """
        key = fold(name)
        self._clear(key)
        self._names.pop(key, None)
        self._writers.pop(key, None)
        self._begun.pop(key, None)
        if fold(self.current) == key:
            self.current = ""
        if fold(self._before) == key:
            self._before = ""

    def close(self, name: str) -> None:
        """Put a conversation out of sight until something new comes there; if it is open, none is."""
        writers = dict(self._writers)
        self.forget(name)
        self._writers = writers
        self._chosen = True  # what the user has closed does not open by itself

    def settled(self, seq: int) -> None:
        """Note that a question at this place in the log is answered or over: nothing waits there for the user."""
        for key, places in self._places.items():
            if seq in places:
                places.remove(seq)
                self._counted_down(key, 1)
                return

    def is_current(self, name: str) -> bool:
        """Return whether this conversation is open, however its name is written."""
        return bool(self.current) and fold(self.current) == fold(name)

    def is_muted(self, name: str) -> bool:
        """Return whether the user wants this conversation to be quiet."""
        return fold(name) in self.muted

    def arrived(self, name: str, seq: int) -> None:
        """Note that someone else said something in a conversation, at that place in the log."""
        name = self.touch(name)
        opened = self._chosen and self.is_current(name)  # one that is only suggested may not have been looked at
        if opened or seq <= self._read:
            return
        self.unread[name] = self.unread.get(name, 0) + 1
        self._places.setdefault(fold(name), deque(maxlen=_COUNTED)).append(seq)

    def read_up_to(self, seq: int) -> None:
        """Note that the user has read everything up to this place in the log on another device."""
        self._read = max(self._read, seq)
        for name in list(self.unread):
            places = self._places[fold(name)]
            while places and places[0] <= seq:
                places.popleft()
                self.unread[name] -= 1
            if not places:
                self._clear(fold(name))

    def put_back(self) -> None:
        """Note that places in the log are given out anew."""
        self._read = 0

    def waiting(self) -> int:
        """Return how many messages are unread, those in muted conversations aside."""
        return sum(count for name, count in self.unread.items() if not self.is_muted(name))

    def _counted_down(self, key: str, count: int) -> None:
        for name in [name for name in self.unread if fold(name) == key]:
            self.unread[name] -= count
            if self.unread[name] <= 0:
                self._clear(key)

    def _clear(self, key: str) -> None:
        self._places.pop(key, None)
        for name in [name for name in self.unread if fold(name) == key]:
            del self.unread[name]
