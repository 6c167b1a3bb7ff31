"""Changes of the owners and keys of names: written in their places in the log, and read by those whom they concern.

A change has a ``seq`` of its own, as a message has, so that a position in a feed says which changes were sent. They
concern everyone who has ever exchanged direct messages with an owner of the name, the present one or one before, and
everyone who belonged to a room together with its owner at that time. Who has learned so that a name was released
learns who takes it, too.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from chatcli.protocol.frames import Renewal
from chatcli.store.queries import NameChangesQuery
from chatcli.store.records import NameChangeRecord
from chatcli.store.sqlite.damage import tolerating_damage

_MOST_KEYS: Final = 100  # changes of keys that are kept of one owner of a name, the newest
_MOST: Final = 1000  # changes in one answer
_MANY: Final = 500  # changes, each of which takes time for each room of the one who made it

_COLUMNS: Final = "changes.key, changes.user, changes.what, changes.by, changes.at, changes.seq"
_ADD: Final = "INSERT INTO name_changes (key, user, what, by, at, seq) VALUES (?, ?, ?, ?, ?, ?)"
_DROP_OLD: Final = """
DELETE FROM name_changes WHERE key = :key AND user = :user AND what = 'key' AND seq <= (
    SELECT seq FROM name_changes WHERE key = :key AND user = :user AND what = 'key'
    ORDER BY seq DESC LIMIT 1 OFFSET :most
)
"""
_RELEASED: Final = "SELECT 1 FROM name_changes WHERE key = ? AND what = 'released' LIMIT 1"
_PARTNERS: Final = """
SELECT DISTINCT CASE conversations.low WHEN owners.user THEN conversations.high ELSE conversations.low END
FROM (SELECT DISTINCT user FROM name_changes WHERE key = ?) AS owners
CROSS JOIN members ON members.user = owners.user AND members.conversation > 0
CROSS JOIN conversations ON conversations.id = members.conversation
"""
# There is no index of members by room: all are read once, which is fast enough for what operators rarely do.
_ROOM_MATES: Final = """
WITH released (user, seq) AS MATERIALIZED (
    SELECT user, seq FROM name_changes WHERE key = :key AND what = 'released' AND seq < :seq ORDER BY seq DESC LIMIT 1
)
SELECT DISTINCT own.user FROM released CROSS JOIN members AS own
WHERE own.conversation IN (
    SELECT theirs.conversation FROM members AS theirs
    WHERE theirs.user = released.user AND theirs.conversation < 0
      AND theirs.since < released.seq AND coalesce(theirs.until, released.seq) >= released.seq
) AND own.since < released.seq AND coalesce(own.until, released.seq) >= released.seq AND own.user <> released.user
"""
_TALKED: Final = """
EXISTS (
    SELECT 1 FROM name_changes AS owners
    CROSS JOIN conversations ON conversations.low = min(owners.user, :user)
         AND conversations.high = max(owners.user, :user)
    WHERE owners.key = changes.key AND owners.seq <= changes.seq {talked_at_all}
      AND coalesce((SELECT min(seq) FROM messages WHERE messages.conversation = conversations.id), 0) < changes.seq
)
"""
_SHARED_A_ROOM: Final = """
EXISTS (
    SELECT 1 FROM members AS theirs
    CROSS JOIN members AS own ON own.user = :user AND own.conversation = theirs.conversation
    WHERE theirs.user = changes.user AND theirs.conversation < 0
      AND theirs.since < changes.seq AND coalesce(theirs.until, changes.seq) >= changes.seq
      AND own.since < changes.seq AND coalesce(own.until, changes.seq) >= changes.seq
)
"""
_LEARNED_OF_RELEASE: Final = """
(changes.what = 'taken' AND EXISTS (
    SELECT 1 FROM (
        SELECT user, seq FROM name_changes AS earlier
        WHERE earlier.key = changes.key AND earlier.what = 'released' AND earlier.seq < changes.seq
        ORDER BY earlier.seq DESC LIMIT 1
    ) AS released
    CROSS JOIN members AS theirs ON theirs.user = released.user AND theirs.conversation < 0
         AND theirs.since < released.seq AND coalesce(theirs.until, released.seq) >= released.seq
    CROSS JOIN members AS own ON own.user = :user AND own.conversation = theirs.conversation
         AND own.since < released.seq AND coalesce(own.until, released.seq) >= released.seq
    WHERE released.user <> :user
))
"""
_CONCERNS: Final = f"""
changes.user <> :user AND ({_TALKED.format(talked_at_all="")} OR {_SHARED_A_ROOM} OR {_LEARNED_OF_RELEASE})
"""
# Of many changes, most concern others: those with whom the user has never had to do are sorted out first, by two lists
# that are made once.
_PARTNERS_OF_USER: Final = """
SELECT CASE conversations.low WHEN :user THEN conversations.high ELSE conversations.low END
FROM members CROSS JOIN conversations ON conversations.id = members.conversation
WHERE members.user = :user AND members.conversation > 0
"""
_IN_THEIR_ROOMS: Final = """
SELECT user FROM members
WHERE conversation IN (SELECT conversation FROM members WHERE user = :user AND conversation < 0)
"""
_CONCERNS_OF_MANY: Final = f"""
changes.user <> :user AND (
    {_TALKED.format(talked_at_all=f"AND owners.user IN ({_PARTNERS_OF_USER})")}
    OR (changes.user IN ({_IN_THEIR_ROOMS}) AND {_SHARED_A_ROOM})
    OR {_LEARNED_OF_RELEASE}
)
"""
_COUNT: Final = """
SELECT count(*) FROM (SELECT 1 FROM name_changes WHERE seq > :after AND seq <= :upto LIMIT :many)
"""
_OF_FEED: Final = f"""
SELECT {_COLUMNS} FROM name_changes AS changes
WHERE changes.seq > :after AND changes.seq <= :upto AND (
    (changes.user = :user AND changes.what = 'key') OR ({{concerns}})
)
ORDER BY changes.seq LIMIT {_MOST}
"""  # noqa: S608 (our own text)
_FEW_OF_FEED: Final = _OF_FEED.format(concerns=_CONCERNS)
_MANY_OF_FEED: Final = _OF_FEED.format(concerns=_CONCERNS_OF_MANY)
_OF_NAME: Final = f"""
SELECT {_COLUMNS} FROM name_changes AS changes
WHERE changes.key = :key AND changes.seq > :after AND changes.seq <= :upto
    AND changes.at >= :since AND changes.at <= :until AND {_CONCERNS}
ORDER BY changes.seq DESC LIMIT {_MOST}
"""  # noqa: S608 (likewise)


def write_change(connection: sqlite3.Connection, record: NameChangeRecord) -> None:
    """Add a change, and fill in the users whom it concerns, but for those who share a room with the owner now."""
    values = (record.key, record.user, record.what, record.by, record.at, record.seq)
    connection.execute(_ADD, values)
    if record.what == "key":
        connection.execute(_DROP_OLD, {"key": record.key, "user": record.user, "most": _MOST_KEYS})
    concerned = {user for (user,) in connection.execute(_PARTNERS, (record.key,))}
    if record.what == "taken":
        bounds = {"key": record.key, "seq": record.seq}
        concerned.update(user for (user,) in connection.execute(_ROOM_MATES, bounds))
    record.partners = sorted(concerned - {record.user})


def was_released(connection: sqlite3.Connection, key: str) -> bool:
    """Return whether a folded name was ever released."""
    return connection.execute(_RELEASED, (key,)).fetchone() is not None


def write_released(connection: sqlite3.Connection, user: int, key: str) -> None:
    """Record that a user of an archive had a name that was released, nobody knows when."""
    connection.execute(_ADD, (key, user, "released", "", 0, 0))


def read_changes_of_feed(
    connection: sqlite3.Connection, *, user: int, after: int, upto: int
) -> tuple[list[NameChangeRecord], int]:
    """Return the changes that concern a user, and the ``seq`` up to which they are complete."""
    changes: list[NameChangeRecord] = []
    with tolerating_damage():
        bounds = {"user": user, "after": after, "upto": upto}
        (count,) = connection.execute(_COUNT, {**bounds, "many": _MANY}).fetchone()
        rows = connection.execute(_FEW_OF_FEED if count < _MANY else _MANY_OF_FEED, bounds)
        changes.extend(_record(*row) for row in rows)
    return changes, changes[-1].seq if len(changes) == _MOST else upto


def read_name_changes(connection: sqlite3.Connection, query: NameChangesQuery) -> tuple[list[NameChangeRecord], int]:
    """Return the changes that a query asks for, and 0, since damage leaves some of them out."""
    return read_changes_of_feed(connection, user=query.user, after=query.after, upto=query.upto)[0], 0


def read_changes_of_name(
    connection: sqlite3.Connection, *, user: int, key: str, bounds: tuple[int, int], times: tuple[int, int]
) -> list[NameChangeRecord]:
    """Return the newest changes of a name that concern a user, the oldest first.

    Args:
        connection: to the log.
        user: the user's id.
        key: the folded name.
        bounds: exclusive lower and inclusive upper bound of ``seq``.
        times: lower and upper bound of the time.
    """
    (after, upto), (since, until) = bounds, times
    parameters = {"user": user, "key": key, "after": after, "upto": upto, "since": since, "until": until}
    changes: list[NameChangeRecord] = []
    with tolerating_damage():
        changes.extend(_record(*row) for row in connection.execute(_OF_NAME, parameters))
    return changes[::-1]


def read_freed(connection: sqlite3.Connection) -> list[str]:
    """Return the folded names that were ever released."""
    return [key for (key,) in connection.execute("SELECT DISTINCT key FROM name_changes WHERE what = 'released'")]


def _record(key: str, user: int, what: Renewal, by: str, at: int, seq: int) -> NameChangeRecord:
    return NameChangeRecord(key=key, user=user, what=what, by=by, at=at, seq=seq)
