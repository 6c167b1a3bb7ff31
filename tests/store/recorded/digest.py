"""Digests of a database, table by table, and of what became of batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

#: Tables that differ from one database to the next: the names of epochs are random, so that no two logs share one.
LEFT_OUT: Final = frozenset({"epochs"})
# SQLite's own tables and the shadow tables of virtual ones are no data of ours.
_TABLES: Final = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name"
_SIZE: Final = 8  # bytes: nobody tries to find two databases of one digest


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the digest of each table: all rows, in the order of their keys, with their rowids.

    The rowids of members are the order in which they came, by which rooms are inherited.
    """
    found = connection.execute(_TABLES).fetchall()
    return {
        name: _digest_rows(connection, name, has_rowid=not without_rowid)
        for name, without_rowid in found
        if name not in LEFT_OUT and not name.startswith("sqlite_")
    }


def running(outcomes: Iterable[object]) -> list[str]:
    """Return a digest after each batch: of its outcomes and of all before it."""
    digests = [""]
    for one in outcomes:
        digests.append(_digest([digests[-1], one]))
    return digests[1:]


def _digest_rows(connection: sqlite3.Connection, table: str, *, has_rowid: bool) -> str:
    if has_rowid:
        query = f"SELECT rowid, * FROM {table} ORDER BY rowid"  # noqa: S608 (a name of ours)
    else:
        keys = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,))
        query = f"SELECT * FROM {table} ORDER BY {', '.join(name for (name,) in keys)}"  # noqa: S608 (likewise)
    return _digest(connection.execute(query).fetchall())


def _digest(value: object) -> str:
    return blake2b(msgspec.msgpack.encode(value), digest_size=_SIZE).hexdigest()
