"""The delivery of the user's messages: who gets them later, who has seen them, and rooms that are not the user's."""

from __future__ import annotations

from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import Event, Notice
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line


class DeliveryStatus:
    """Tracks what became of the user's messages, and reports each change once.

    Args:
        contacts: the people and rooms that the user knows of.
    """

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        self._gone: set[str] = set()  # people of whom the user knows that they are not here, folded
        self._unseen: dict[str, int] = {}  # the newest message that waits for a person, by folded name
        self._said: dict[str, int] = {}  # the newest message to a person, by folded name
        self._read: dict[str, int] = {}  # up to where a person has read, by folded name
        self._outside: set[str] = set()  # rooms that the user has written to without belonging there, folded

    def sent(self, frame: f.Sent, of: str) -> list[Event]:
        """Record that a message of this conversation is stored; return what to show."""
        to = fold(of)
        if is_room(of):
            return self._sent_to_room(to, of)
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

    def _sent_to_room(self, key: str, room: str) -> list[Event]:
        """Return a notice if the user does not belong to the room."""
        if key in self._contacts.rooms or key in self._outside:
            return []
        self._outside.add(key)
        room = printable_line(room)
        return [Notice(f"You are not in {room} and do not see the answers: /join {room}")]

    def entered(self, room: str) -> None:
        """Record that the user belongs to a room now."""
        self._outside.discard(fold(room))

    def has_seen(self, name: str) -> bool:
        """Return whether someone has reported to have seen every message to them since the client started."""
        key = fold(name)
        return key in self._said and self._read.get(key, 0) >= self._said[key]

    def add_here(self, names: list[str]) -> None:
        """Record that people are here."""
        self._gone.difference_update(map(fold, names))

    def seen(self, frame: f.Receipt) -> list[Event]:
        """Record that someone has seen messages up to a place in the log; return what to show."""
        name = fold(frame.user)
        if not frame.to:
            self._read[name] = max(frame.seq, self._read.get(name, 0))
        if frame.to or self._unseen.get(name, frame.seq + 1) > frame.seq:
            return []
        del self._unseen[name]
        return [Notice(f"{printable_line(frame.user)} has seen what you said")]
