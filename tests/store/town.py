"""A log with a little of everything, for tests of tools that use its files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from chatcli.store.batch import Entry
from chatcli.store.records import AddKey, Enter, Found, KeyRecord, Leave, Release, RoomRecord, UserRecord
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, claim, entry, new_room, new_user

OPS: Final = new_room(-1, "#Ops", 5000, topic="Who broke it?")
SECRET: Final = new_room(-2, "#secret", 6000, kind="private")
DAN: Final = new_user(4, "Dan", 4000)


def said_in(room: RoomRecord, sender: UserRecord, text: str, re: int | None = None) -> Entry:
    """Make a message in a room."""
    made = entry(sender, sender, text)
    made.recipient, made.re = room.id, re
    return made


def settle(owner: Owner) -> None:
    """Add rooms, members who enter and leave, keys and messages to a log with users."""
    owner.commit_change(AddKey(key=KeyRecord(ANN.id, bytes(32), 1234), voucher="none"))
    owner.commit_change(Found(OPS, ANN.id))
    owner.commit_change(Found(SECRET, CID.id))
    owner.write(said_in(OPS, ANN, "anyone here?"))
    owner.commit_change(Enter(BOB.id, OPS.id))
    owner.write(said_in(OPS, BOB, "me", re=1), entry(ANN, BOB, "good"), entry(BOB, ANN, "  \x1b[31m\n\tünïcode 🎉 "))
    owner.commit_change(Leave(BOB.id, OPS.id))
    owner.write(said_in(SECRET, CID, "alone"), said_in(OPS, ANN, "where is Bob?"))
    owner.commit_change(Enter(BOB.id, OPS.id))
    owner.commit_change(claim(DAN))
    owner.write(entry(DAN, ANN, "bye"))
    owner.commit_change(Release(DAN.id, DAN.key, "Dan (released 4)", "operator", 7000))


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the database."""
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        return connection.execute(query).fetchall()


def change(data: Path, script: str) -> None:
    """Change the database of a data directory by hand."""
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(script)


def mistype(data: Path, text: str, *, time: bool = False) -> None:
    """Turn a text of Ann's in the first conversation, or its time, into bytes."""
    path = data / "chatcli.db"
    content = bytearray(path.read_bytes())
    # Before the values of a row stand their types: here the id's (16 bytes), 1, 1, the time's and the text's.
    types = content.rindex(bytes([44, 9, 9]), 0, content.index(text.encode())) + 3
    if time:
        content[types] = {3: 18, 5: 24}[content[types]]  # of an integer to that of as many bytes
    else:
        content[types + 1] -= 1  # of a text to that of as many bytes
    path.write_bytes(content)


def spoil(data: Path, text: str) -> None:
    """Overwrite the page of the database that has a text, as a bad disk might."""
    path = data / "chatcli.db"
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18]) or 65536  # of a page: in the header, 1 means 65536
    start = content.index(text.encode()) // size * size
    content[start : start + size] = b"\xa5" * size
    path.write_bytes(content)
