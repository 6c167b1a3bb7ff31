"""Rulings in the database: decided one by one, or ended because a name, a room or a membership is no more."""

from __future__ import annotations

import sqlite3
from typing import Final, Literal

import msgspec

from chatcli.protocol.frames import Happening
from chatcli.store.batch import Conflict
from chatcli.store.records import Fact, Ruling
from chatcli.store.sanction import Sanction, decode

#: The facts of a record that is accepted, or why it is refused.
Decision = list[Fact] | Conflict
Event = Happening | Literal[""]

_FIND: Final = "SELECT value FROM rulings WHERE kind = ? AND subject = ?"
_SET: Final = "INSERT INTO rulings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DROP: Final = "DELETE FROM rulings WHERE kind = ? AND subject = ?"
_ALL: Final = "SELECT subject, value FROM rulings WHERE kind = ? ORDER BY subject"
# A subject in a room begins with its id and a colon, which the semicolon follows.
_IN_ROOM: Final = f"{_ALL[: _ALL.index(' ORDER')]} AND subject >= ?2 || ':' AND subject < ?2 || ';' ORDER BY subject"


class Rulings:
    """The rulings of a log, used within the transactions of the writer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, kind: str, subject: str) -> Sanction | None:
        """Return the sanction of that kind on a subject, over or not; None if there is none, or if it is damaged."""
        return decode_or_none(self._value(kind, subject))

    def exists(self, kind: str, subject: str) -> bool:
        """Return whether there is a ruling of that kind on a subject."""
        return self._value(kind, subject) is not None

    def _value(self, kind: str, subject: str) -> str | None:
        row = self._connection.execute(_FIND, (kind, subject)).fetchone()
        return None if row is None else row[0]

    def decide(self, ruling: Ruling) -> Decision:
        """Store a ruling, or remove the one that it revokes."""
        # Compared as sanctions: an older version has written fewer fields.
        if ruling.ended is not None and self.find(ruling.kind, ruling.subject) != decode_or_none(ruling.ended):
            return "outdated"
        self.store(ruling)
        return [ruling]

    def store(self, ruling: Ruling) -> Ruling:
        """Store a ruling, and return it."""
        if ruling.value is None:
            self._connection.execute(_DROP, (ruling.kind, ruling.subject))
        else:
            self._connection.execute(_SET, (ruling.kind, ruling.subject, ruling.value))
        return ruling

    def end(self, kind: str, subject: str, event: Event = "") -> list[Fact]:
        """End the ruling of that kind on a subject, if there is one."""
        if not self._connection.execute(_DROP, (kind, subject)).rowcount:
            return []
        return [Ruling(kind, subject, None, event=event)]

    def end_in_room(self, kind: str, room: int, event: Event = "") -> list[Fact]:
        """End all rulings of a kind in a room."""
        return self._end_each(kind, [subject for subject, _ in self._in_room(kind, room)], event)

    def end_invitations_by(self, user: int, name: str, room: int) -> list[Fact]:
        """End all invitations to a room by a user, given by id and name."""
        invitations = self._in_room("room_invitation", room)
        given = [subject for subject, value in invitations if _is_by(value, user, name)]
        return self._end_each("room_invitation", given, "uninvited")

    def end_invitations_of(self, user: int, name: str) -> list[Fact]:
        """End all invitations to rooms that a user, given by id and name, has got or given."""
        facts: list[Fact] = []
        for subject, value in self._connection.execute(_ALL, ("room_invitation",)).fetchall():
            if subject.endswith(f":{user}"):
                facts += self.end("room_invitation", subject)
            elif _is_by(value, user, name):
                facts += self.end("room_invitation", subject, "uninvited")
        return facts

    def _in_room(self, kind: str, room: int) -> list[tuple[str, str]]:
        return self._connection.execute(_IN_ROOM, (kind, str(room))).fetchall()

    def _end_each(self, kind: str, subjects: list[str], event: Event) -> list[Fact]:
        return [fact for subject in subjects for fact in self.end(kind, subject, event)]


def decode_or_none(value: str | None) -> Sanction | None:
    """Return a sanction that the log has stored; None if there is none, or if it is damaged."""
    try:
        return None if value is None else decode(value)
    except msgspec.DecodeError:
        return None


def _is_by(value: str, user: int, name: str) -> bool:
    """Return whether an invitation is by a user; an older version has written only the name."""
    sanction = decode_or_none(value)
    if sanction is None:
        return False
    return sanction.by == user if sanction.by else bool(name) and sanction.reason == name
