"""Rooms and their members: decided and written with all that follows, such as heirs and the end of empty rooms."""

from __future__ import annotations

import sqlite3
from typing import Final

from chatcli.store.records import Enter, Fact, Found, Leave, MemberRecord, Ruling, SetOwner, SetTopic
from chatcli.store.sqlite.conversations import write_room
from chatcli.store.writing.head import Head
from chatcli.store.writing.rulings import Decision, Rulings, decode_or_none
from chatcli.store.writing.users import find_user

_TAKEN: Final = (
    "SELECT EXISTS (SELECT 1 FROM rooms WHERE key = ?1) OR EXISTS (SELECT 1 FROM conversations WHERE id = ?2)"
)
_LOOKALIKE: Final = "SELECT 1 FROM rooms WHERE look = ?"
_KIND: Final = "SELECT kind FROM rooms WHERE id = ?"
_TOPIC: Final = "SELECT topic FROM rooms WHERE id = ?"
_SET_TOPIC: Final = "UPDATE rooms SET topic = ?2 WHERE id = ?1"
# Only the newest period of a user in a room may be open. There may be many before it, none of which is looked at.
_NEWEST: Final = """
WHERE user = :user AND conversation = :room
  AND since = (SELECT max(since) FROM members WHERE user = :user AND conversation = :room)
"""
_PERIOD: Final = f"SELECT since, until FROM members {_NEWEST}"  # noqa: S608 (our own text)
_LEAVE: Final = f"UPDATE members SET until = :newest {_NEWEST} AND until IS NULL"  # noqa: S608 (likewise)
_SET_OWNER: Final = f"UPDATE members SET owner = :owner {_NEWEST} AND until IS NULL"  # noqa: S608 (likewise)
_DROP_PERIOD: Final = "DELETE FROM members WHERE user = :user AND conversation = :room AND since = :since"
_ENTER: Final = "INSERT INTO members (user, conversation, since, owner) VALUES (:user, :room, :since, :owner)"
_MESSAGE_AFTER: Final = "SELECT 1 FROM messages WHERE conversation = ? AND seq > ? LIMIT 1"
# An owner if there is one, else the longest member: the rows are in the order in which members entered.
_FIRST: Final = """
SELECT user, owner FROM members WHERE conversation = ? AND conversation < 0 AND until IS NULL
ORDER BY owner DESC, rowid LIMIT 1
"""
_MEMBER: Final = "SELECT owner FROM members WHERE user = ? AND conversation = ? AND until IS NULL"
_ROOMS: Final = "SELECT conversation FROM members WHERE user = ? AND conversation < 0 AND until IS NULL ORDER BY rowid"


class Memberships:
    """The rooms of a log and their members, used within the transactions of the writer.

    Args:
        connection: the writer's.
        head: the end of the log.
        rulings: those of the log.
    """

    def __init__(self, connection: sqlite3.Connection, head: Head, rulings: Rulings) -> None:
        self._connection = connection
        self._head = head
        self._rulings = rulings

    def found(self, record: Found) -> Decision:
        """Make a room with its founder as owner, unless there is one of that name or one that looks like it."""
        execute, room = self._connection.execute, record.room
        if execute(_TAKEN, (room.key, room.id)).fetchone()[0]:
            return "taken"
        if execute(_LOOKALIKE, (room.look,)).fetchone():
            return "lookalike"
        if find_user(self._connection, record.user) is None:
            return "missing"
        write_room(self._connection, room)
        return [room, self._add(record.user, room.id, self._head.newest, owner=True)]

    def enter(self, record: Enter) -> Decision:
        """Make a user a member of a room after its newest message, and end their invitation to it."""
        execute, member = self._connection.execute, record._asdict()
        if execute(_KIND, (record.room,)).fetchone() is None or find_user(self._connection, record.user) is None:
            return "missing"
        since = self._head.newest
        period = execute(_PERIOD, member).fetchone()
        if period is not None:
            begun, ended = period
            if ended is None:
                return []
            # If the room has no message since the user left it, the former period is continued: leaving and coming
            # back over and over must not leave a row each time. The row is made anew, because the order of the rows
            # is that in which users entered.
            if begun == since or execute(_MESSAGE_AFTER, (record.room, ended)).fetchone() is None:
                since = begun
                execute(_DROP_PERIOD, {**member, "since": begun})
        entered = self._add(record.user, record.room, since, owner=self._find_first(record.room) is None)
        return [entered, *self._rulings.end("room_invitation", f"{record.room}:{record.user}")]

    def _add(self, user: int, room: int, since: int, *, owner: bool) -> MemberRecord:
        member = MemberRecord(user, room, since, owner)
        self._connection.execute(_ENTER, member._asdict())
        return member

    def leave(self, record: Leave) -> list[Fact]:
        """End a user's membership and the invitations they gave; the room gets an heir, or is left empty."""
        room = record.room
        left = {"user": record.user, "room": room, "newest": self._head.newest}
        if not self._connection.execute(_LEAVE, left).rowcount:
            return []
        facts: list[Fact] = [record, *self._end_invitations_by(record.user, room)]
        return facts + (self._drop_decisions(room) if self._find_first(room) is None else self._appoint_heir(room))

    def leave_all(self, user: int) -> list[Fact]:
        """End all memberships of a user, without events for those who stay."""
        rooms = self._connection.execute(_ROOMS, (user,)).fetchall()
        return [fact for (room,) in rooms for fact in self.leave(Leave(user, room))]

    def set_owner(self, record: SetOwner) -> list[Fact]:
        """Make a member an owner, or end that; a room without owners gets an heir."""
        changed = {"user": record.user, "room": record.room, "owner": record.owner}
        if not self._connection.execute(_SET_OWNER, changed).rowcount:
            return []
        facts: list[Fact] = [record]
        if not record.owner and self._is_private(record.room) and not self._is_operator(record.user):
            facts += self._end_invitations_by(record.user, record.room)
        return facts + self._appoint_heir(record.room)

    def rule(self, record: Ruling) -> Decision:
        """Store or end a decision about a user in a room.

        A room without members has no invitations and no mutes, and a private one no bans either: they would hold for
        those who make it anew. Nobody is invited to a room that they are in, or by someone who may not invite any more.
        """
        if record.value is not None:
            room, user = map(int, record.subject.split(":"))
            lasts = record.kind == "room_ban" and not self._is_private(room)
            if not lasts and self._find_first(room) is None:
                return "missing"
            if record.kind == "room_invitation":
                if self._is_member(user, room):
                    return []
                if not self._may_invite(record, room):
                    return "missing"
        return self._rulings.decide(record)

    def _may_invite(self, invitation: Ruling, room: int) -> bool:
        given = decode_or_none(invitation.value)
        if given is None or not given.by:
            return True  # by an older version, which has written the name only
        by = given.by
        if find_user(self._connection, by) is None:
            return False
        if self._is_private(room):
            return self._is_owner(by, room) or self._is_operator(by)
        return self._is_member(by, room)

    def set_topic(self, record: SetTopic) -> Decision:
        """Change a room's topic; in a private room without members it would be that of its next owner."""
        if record.topic and self._is_private(record.room) and self._find_first(record.room) is None:
            return "missing"
        changed = self._connection.execute(_SET_TOPIC, (record.room, record.topic)).rowcount
        return [record] if changed else "missing"

    def _find_first(self, room: int) -> tuple[int, int] | None:
        """Return an owner of a room and 1; its longest member and 0 if it has no owner; None if it has no members."""
        found: tuple[int, int] | None = self._connection.execute(_FIRST, (room,)).fetchone()
        return found

    def _appoint_heir(self, room: int) -> list[Fact]:
        """Make the longest member the owner of a room without owners."""
        first = self._find_first(room)
        if first is None or first[1]:
            return []
        heir = SetOwner(first[0], room, owner=True)
        self._connection.execute(_SET_OWNER, {"user": heir.user, "room": room, "owner": True})
        return [heir]

    def _drop_decisions(self, room: int) -> list[Fact]:
        """Drop the decisions of earlier owners from a room without members.

        A room that is not private keeps its messages, and so its topic and its bans.
        """
        facts = self._rulings.end_in_room("room_invitation", room, "uninvited")
        facts += self._rulings.end_in_room("room_mute", room)
        if self._is_private(room):
            facts += self._rulings.end_in_room("room_ban", room)
            (topic,) = self._connection.execute(_TOPIC, (room,)).fetchone()
            if topic:
                self._connection.execute(_SET_TOPIC, (room, ""))
                facts.append(SetTopic(room, ""))
        return facts

    def _end_invitations_by(self, user: int, room: int) -> list[Fact]:
        found = find_user(self._connection, user)
        return self._rulings.end_invitations_by(user, found.name if found is not None else "", room)

    def _is_member(self, user: int, room: int) -> bool:
        return self._connection.execute(_MEMBER, (user, room)).fetchone() is not None

    def _is_owner(self, user: int, room: int) -> bool:
        row = self._connection.execute(_MEMBER, (user, room)).fetchone()
        return row is not None and row[0] == 1

    def _is_operator(self, user: int) -> bool:
        found = find_user(self._connection, user)
        return found is not None and self._rulings.exists("operator", found.key)

    def _is_private(self, room: int) -> bool:
        row = self._connection.execute(_KIND, (room,)).fetchone()
        return row is not None and row[0] == "private"
