"""Whom a message has reached: who is not here and gets it later, who has seen it, and rooms of others."""

from __future__ import annotations

from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import Event, Notice
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line


class Delivery:
    """Tells each of this once.

    Args:
        contacts: the people and rooms that the user knows of.
    """

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        self._gone: set[str] = set()  # those whom the user knows not to be here, by folded name
        self._unseen: dict[str, int] = {}  # up to where something waits for them, by folded name
        self._said: dict[str, int] = {}  # the newest that was said to them, by folded name
        self._read: dict[str, int] = {}  # up to where they have read, by folded name
        self._outside: set[str] = set()  # rooms of others in which the user has spoken and was told so, folded

    def sent(self, frame: f.Sent, of: str) -> list[Event]:
        """Take the word that a message of this conversation is in the log; return what to show."""
        to = fold(of)
        if is_room(of):
            return self._spoken_in(to, of)
        if to == fold(self._contacts.user):
            return []
        self._said[to] = frame.seq
        if frame.outcome == "delivered":
            self._gone.discard(to)
            return []
        self._unseen[to] = frame.seq
        if to in self._gone:
            return []
        self._gone.add(to)
        return [Notice(f"{printable_line(of)} is not here and gets it on return")]

    def _spoken_in(self, key: str, room: str) -> list[Event]:
        """Return what to show of a room where the user has said something: whether they belong there."""
        if key in self._contacts.rooms or key in self._outside:
            return []
        self._outside.add(key)
        room = printable_line(room)
        return [Notice(f"You are not in {room} and are not told what is answered: /join {room}")]

    def entered(self, room: str) -> None:
        """Note that the user belongs to a room now."""
        self._outside.discard(fold(room))

    def has_seen(self, name: str) -> bool:
        """Return whether someone is known to have seen all that the user has said to them since the client started."""
        key = fold(name)
        return key in self._said and self._read.get(key, 0) >= self._said[key]

    def here(self, names: list[str]) -> None:
        """Note that people are here."""
        self._gone.difference_update(map(fold, names))

    def seen(self, frame: f.Receipt) -> list[Event]:
        """Take the word that someone has read what was said; return what to show."""
        name = fold(frame.user)
        if not frame.to:
            self._read[name] = max(frame.seq, self._read.get(name, 0))
        if frame.to or self._unseen.get(name, frame.seq + 1) > frame.seq:
            return []
        del self._unseen[name]
        return [Notice(f"{printable_line(frame.user)} has seen what you said")]
