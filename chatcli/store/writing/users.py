"""Users as the writer finds them in the database."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from chatcli.store.records import RELEASED

_FIND: Final = "SELECT name, key FROM users WHERE id = ?"


class Named(NamedTuple):
    """The name of a user as displayed, and as compared."""

    name: str
    key: str


def find_user(connection: sqlite3.Connection, user: int) -> Named | None:
    """Return the name of a user; None if there is no such user, or if their name was released."""
    row = connection.execute(_FIND, (user,)).fetchone()
    return None if row is None or row[1].startswith(RELEASED) else Named(*row)
