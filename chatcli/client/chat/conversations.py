"""The conversations of a user: which one is open, which came last, and what is unread in the others."""

from __future__ import annotations

from collections import deque
from typing import Final

from chatcli.protocol.values.names import fold

_REMEMBERED: Final = 500  # conversations
_WRITERS: Final = 10  # people who have written to the user
_COUNTED: Final = 1000  # unread messages of one conversation whose places in the log are kept


class Conversations:
    """The user's conversations, in the order of their last messages and in that of their first ones.

    Attributes:
        current: the person or the room that plain text goes to; empty if there is none. Until the user has opened one,
            it is the only person who has written to them.
        unread: the number of messages that came in other conversations than the current one, by name as written.
        drafts: the texts that were typed and not sent, by name as written; the input line keeps them.
        muted: the quiet conversations, folded.
        undisturbed: whether no conversation rings, on this device.
    """

    def __init__(self) -> None:
        self.current = ""
        self.unread: dict[str, int] = {}
        self.drafts: dict[str, str] = {}
        self.muted: set[str] = set()
        self.undisturbed = False
        self._chosen = False  # whether the user has opened one
        self._writers: dict[str, str] = {}  # the people who have written to the user, by folded name
        self._before = ""  # the conversation that was open before the current one
        self._names: dict[str, str] = {}  # as written, by folded name, the most recent last
        self._numbered: dict[str, None] = {}  # the same, folded, the first one first
        self._places: dict[str, deque[int]] = {}  # places in the log of unread messages, by folded name
        self._read = 0  # the place in the log up to which the user has read elsewhere

    def ordered(self) -> list[str]:
        """Return the conversations, the most recent first."""
        return list(reversed(self._names.values()))

    def numbered(self) -> list[str]:
        """Return the conversations in the order in which they began.

        Messages do not change it: a number that the user is about to press stays what it was.
        """
        return [self._names[key] for key in self._numbered]

    def switch(self, name: str) -> None:
        """Open a conversation, and mark it read."""
        name = self.touch(name)
        if self._chosen and self.current and self.current != name:
            self._before = self.current
        self._chosen = True
        self.current = name
        self._clear(fold(name))

    def add_writer(self, name: str) -> None:
        """Record that a person has written to the user alone."""
        if len(self._writers) < _WRITERS:
            self._writers.setdefault(fold(name), name)

    def writers(self) -> list[str]:
        """Return the first people who have written to the user."""
        return list(self._writers.values())

    def only_writer(self) -> str:
        """Return the only person who has written, if the user has opened no conversation; else an empty string."""
        return next(iter(self._writers.values())) if len(self._writers) == 1 and not self._chosen else ""

    def suggest(self) -> bool:
        """Open the conversation of the only person who has written; return whether that changes which one is open.

        To be called only while nothing is being typed: a text goes to the conversation in which it was started. Once
        the user has opened a conversation, none opens by itself.
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
        """Open the conversation that was open before; return False if there was none."""
        if not self._before:
            return False
        self.switch(self._before)
        return True

    def touch(self, name: str) -> str:
        """Make a conversation the most recent one; return its name as written."""
        key = fold(name)
        name = self._names.pop(key, name)
        self._names[key] = name
        self._numbered.setdefault(key)
        if len(self._names) > _REMEMBERED:
            self.forget(next(other for other in self._names.values() if other not in (self.current, name)))
        return name

    def respell(self, name: str) -> None:
        """Record how the owner of a conversation's name spells it."""
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
        """Remove a conversation; if it is open, none is open then.

        The one before it is not opened in its place: the user's next line would go there unseen.
        """
        key = fold(name)
        self._clear(key)
        self._names.pop(key, None)
        self._writers.pop(key, None)
        self._numbered.pop(key, None)
        if fold(self.current) == key:
            self.current = ""
        if fold(self._before) == key:
            self._before = ""

    def close(self, name: str) -> None:
        """Hide a conversation until something new comes there; if it is open, none is open then."""
        writers = dict(self._writers)
        self.forget(name)
        self._writers = writers
        self._chosen = True  # a conversation that the user has closed does not open by itself

    def remove_unread(self, seq: int) -> None:
        """Record that the message at this place in the log needs no reading: a question that is answered or over."""
        for key, places in self._places.items():
            if seq in places:
                places.remove(seq)
                self._reduce(key, 1)
                return

    def is_current(self, name: str) -> bool:
        """Return whether a conversation is open, however its name is written."""
        return bool(self.current) and fold(self.current) == fold(name)

    def is_muted(self, name: str) -> bool:
        """Return whether a conversation is quiet."""
        return fold(name) in self.muted

    def add_unread(self, name: str, seq: int) -> None:
        """Record that someone else's message came in a conversation, at that place in the log."""
        name = self.touch(name)
        opened = self._chosen and self.is_current(name)  # the user may not have looked at one that opened by itself
        if opened or seq <= self._read:
            return
        self.unread[name] = self.unread.get(name, 0) + 1
        self._places.setdefault(fold(name), deque(maxlen=_COUNTED)).append(seq)

    def read_up_to(self, seq: int) -> None:
        """Record that the user has read everything up to this place in the log on another device."""
        self._read = max(self._read, seq)
        for name in list(self.unread):
            places = self._places[fold(name)]
            while places and places[0] <= seq:
                places.popleft()
                self.unread[name] -= 1
            if not places:
                self._clear(fold(name))

    def reset_log(self) -> None:
        """Record that the log was reset, and gives out places anew."""
        self._read = 0

    def count_unread(self) -> int:
        """Return the number of unread messages, without those in quiet conversations."""
        return sum(count for name, count in self.unread.items() if not self.is_muted(name))

    def _reduce(self, key: str, count: int) -> None:
        for name in [name for name in self.unread if fold(name) == key]:
            self.unread[name] -= count
            if self.unread[name] <= 0:
                self._clear(key)

    def _clear(self, key: str) -> None:
        self._places.pop(key, None)
        for name in [name for name in self.unread if fold(name) == key]:
            del self.unread[name]
