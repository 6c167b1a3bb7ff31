"""The schema of the SQLite log, as numbered migrations."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

from chatcli.errors import StoreError
from chatcli.protocol.values.lookalikes import look_of

APPLICATION_ID: Final = 0x63686174  # "chat": distinguishes a log from other SQLite databases

# A message belongs to a conversation of two users or to that of a room. One index on (conversation, seq) then serves
# feeds, catching up and history alike; each further index costs more than the fsync does.
_FIRST: Final = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    cursor INTEGER NOT NULL
) STRICT;
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    low INTEGER NOT NULL REFERENCES users,
    high INTEGER NOT NULL REFERENCES users,
    UNIQUE (low, high),
    CHECK (low <= high)
) STRICT;
CREATE TABLE members (
    user INTEGER NOT NULL REFERENCES users,
    conversation INTEGER NOT NULL REFERENCES conversations,
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    conversation INTEGER NOT NULL REFERENCES conversations,
    sender INTEGER NOT NULL REFERENCES users,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX messages_of_conversation ON messages (conversation, seq);
"""

_KEYS_AND_RULINGS: Final = """
CREATE TABLE keys (
    user INTEGER NOT NULL REFERENCES users,
    key BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE rulings (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
"""

# The ids of rooms are negative, so that the server can assign them without knowing the ids of other conversations. A
# member's feed has the messages of a room between `since` and `until`; a user who leaves and comes back has two rows.
# The order of the rows is that in which users entered.
_ROOMS: Final = """
CREATE TABLE renewed (
    id INTEGER PRIMARY KEY,
    low INTEGER REFERENCES users,
    high INTEGER REFERENCES users,
    UNIQUE (low, high),
    CHECK (
        CASE WHEN id < 0 THEN low IS NULL AND high IS NULL ELSE low IS NOT NULL AND high IS NOT NULL AND low <= high END
    )
) STRICT;
INSERT INTO renewed SELECT id, low, high FROM conversations;
DROP TABLE conversations;
ALTER TABLE renewed RENAME TO conversations;
CREATE TABLE rooms (
    id INTEGER PRIMARY KEY REFERENCES conversations,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    topic TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE renewed (
    user INTEGER NOT NULL REFERENCES users,
    conversation INTEGER NOT NULL REFERENCES conversations,
    since INTEGER NOT NULL DEFAULT 0,
    until INTEGER,
    owner INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user, conversation, since)
) STRICT;
INSERT INTO renewed (user, conversation) SELECT user, conversation FROM members;
DROP TABLE members;
ALTER TABLE renewed RENAME TO members;
ALTER TABLE messages ADD COLUMN re INTEGER;
ALTER TABLE users ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
UPDATE users SET shown = cursor;
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO marks VALUES ('pruned', 0);
"""

# Most messages have no extra data. Only the first answer to a question counts: the table, which is small, ensures that.
_QUESTIONS: Final = """
ALTER TABLE messages ADD COLUMN extra TEXT;
CREATE TABLE answers (
    question INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;
"""

# Deleted messages are remembered for a while, so that one that a client sends again is not stored as a new one.
_DELETED: Final = """
CREATE TABLE deleted (
    digest BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    gone INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deleted_by_time ON deleted (gone);
"""

# `cursor` is the position up to which a client of the user has received their feed. Before there was this table, it was
# the read position, too. `read` and `shown` (the part of it that others may know) hold in all conversations without a
# row in `reads`. The log was the same as in an epoch up to the `since` of the next one. A change of a name has a `seq`
# of its own. Names that were released before there was this table have the `seq` 0, and nobody knows the time.
_READS: Final = """
ALTER TABLE users ADD COLUMN read INTEGER NOT NULL DEFAULT 0;
UPDATE users SET read = cursor;
CREATE TABLE reads (
    user INTEGER NOT NULL REFERENCES users,
    conversation INTEGER NOT NULL REFERENCES conversations,
    seq INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
CREATE TABLE epochs (
    number INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL UNIQUE,
    since INTEGER NOT NULL
) STRICT;
INSERT INTO epochs VALUES (1, lower(hex(randomblob(8))), 0);
CREATE TABLE name_changes (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    user INTEGER NOT NULL,
    what TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
CREATE INDEX name_changes_by_name ON name_changes (key, seq);
CREATE INDEX name_changes_by_seq ON name_changes (seq);
INSERT INTO name_changes (key, user, what, by, at, seq)
SELECT lower(substr(name, 1, length(name) - length(suffix))), id, 'released', '', 0, 0
FROM (SELECT id, name, ' (released ' || id || ')' AS suffix FROM users WHERE key = char(0) || id)
WHERE substr(name, -length(suffix)) = suffix;
"""

# `places` is a JSON list of the ids of rooms and users; without it, a token holds everywhere.
_TOKENS: Final = """
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    label TEXT NOT NULL,
    scope TEXT NOT NULL,
    places TEXT,
    created INTEGER NOT NULL,
    until INTEGER,
    used INTEGER,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: How a user recognizes a key.
_DEVICES: Final = "ALTER TABLE keys ADD COLUMN device TEXT NOT NULL DEFAULT '';"

# The skeleton of each name, to refuse new ones that look like it. Older logs may have names that look alike; those that
# were released have none. The writer looks for owners and heirs of rooms, the longest members first, and for tokens.
_LOOKS: Final = """
ALTER TABLE users ADD COLUMN look TEXT;
ALTER TABLE rooms ADD COLUMN look TEXT;
UPDATE users SET look = look_of(name) WHERE key >= char(1);
UPDATE rooms SET look = look_of(name);
CREATE INDEX users_by_look ON users (look);
CREATE INDEX rooms_by_look ON rooms (look);
CREATE INDEX members_of_rooms ON members (conversation, owner DESC) WHERE conversation < 0 AND until IS NULL;
CREATE INDEX tokens_of_users ON tokens (user, key);
"""

_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid"

#: Migration n leads from schema n - 1 to schema n. Never change a released one; add one.
MIGRATIONS: Final = (_FIRST, _KEYS_AND_RULINGS, _ROOMS, _QUESTIONS, _DELETED, _READS, _TOKENS, _DEVICES, _LOOKS)


def check(connection: sqlite3.Connection) -> int:
    """Return the number of the database's schema, 0 if it is empty; nothing is changed.

    Raises:
        StoreError: the database belongs to another program, or was written by a newer chatcli.
        sqlite3.Error: the file cannot be read.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application not in (0, APPLICATION_ID) or (application == 0 and _has_tables(connection)):
        raise StoreError("it is a database of some other program: choose another directory with --data")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"it was written by a newer chatcli (schema {version}; this one knows {len(MIGRATIONS)}): upgrade chatcli"
        )
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest schema, each migration in a transaction of its own.

    Raises:
        StoreError: as :func:`check`.
        sqlite3.Error: the file cannot be read or written.
    """
    version = check(connection)
    connection.create_function("look_of", 1, look_of, deterministic=True)
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {script}"
            f"PRAGMA user_version = {number}; COMMIT;"
        )


def missing_table(connection: sqlite3.Connection) -> str | None:
    """Return the name of a table that a database of the newest schema lacks; None if it has all."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as whole:
        migrate(whole)
        tables = [name for (name,) in whole.execute(_TABLES)]
    found = {name for (name,) in connection.execute(_TABLES)}
    return next((name for name in tables if name not in found), None)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone())
