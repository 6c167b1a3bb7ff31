"""Deletes old messages, within a transaction of the writer."""

from __future__ import annotations

import sqlite3
from typing import Final

from chatcli.store.records import Prune
from chatcli.store.sqlite.load import set_mark
from chatcli.store.writing.deleted import Deleted

#: The values of the mark ``clean``: whether the files hold nothing of deleted messages; without it, they may.
CLEAN: Final = 1
UNCLEAN: Final = 2

# Damage may have left anything in the place of a time.
_OLD: Final = """
SELECT seq FROM messages WHERE seq > ? AND seq <= ? AND at < ? AND typeof(at) = 'integer' ORDER BY seq
"""
_REMOVED: Final = "INSERT INTO marks VALUES ('removed', ?) ON CONFLICT DO UPDATE SET seq = seq + excluded.seq"


def prune(connection: sqlite3.Connection, deleted: Deleted, record: Prune) -> list[int]:
    """Delete the messages that a record asks for; return their seqs.

    Args:
        connection: the writer's.
        deleted: remembers their ids.
        record: the record.

    Raises:
        sqlite3.Error: they are damaged, or the database cannot be written; the transaction must be undone.
    """
    deleted.expire(record.at)
    rows = connection.execute(_OLD, (record.after, record.upto, record.before)).fetchall()
    seqs = [seq for (seq,) in rows]
    if seqs:
        deleted.record(seqs, record.at)
        connection.executemany("DELETE FROM messages WHERE seq = ?", rows)
        connection.executemany("DELETE FROM answers WHERE question = ?", rows)
        connection.execute("UPDATE marks SET seq = max(seq, ?) WHERE name = 'pruned'", (seqs[-1],))
        connection.execute(_REMOVED, (len(rows),))
        set_mark(connection, "clean", UNCLEAN)
    return seqs
