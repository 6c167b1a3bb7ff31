"""The people who talk in these tests, and what they say."""

from __future__ import annotations

import itertools
import uuid
from typing import Final

from chatcli.store.interface import Entry, MessageRow, RoomRecord, UserRecord

ANN: Final = UserRecord(1, "Ann", "ann", 1000, 0)
BOB: Final = UserRecord(2, "Bob", "bob", 2000, 0)
CID: Final = UserRecord(3, "Жанна", "жанна", 3000, 0)
PEOPLE: Final = (ANN, BOB, CID)

LOBBY: Final = RoomRecord(-1, "#Lobby", "#lobby", "open", "Everything", 1500)
OPS: Final = RoomRecord(-2, "#ops", "#ops", "open", "", 2500)
ROOMS: Final = (LOBBY, OPS)

_clock = itertools.count(1_700_000_000_000)

Party = UserRecord | RoomRecord | int


def entry(sender: Party, recipient: Party, text: str = "hi", id: bytes | None = None) -> Entry:  # noqa: A002 (the wire's name for it)
    """Make a message with an id and a time of its own."""
    return Entry(id or uuid.uuid4().bytes, _id(sender), _id(recipient), next(_clock), text)


def _id(party: Party) -> int:
    return party if isinstance(party, int) else party.id


def row(entry: Entry) -> MessageRow:
    """Return what a message is read back as."""
    return MessageRow(entry.seq, entry.id, entry.sender, entry.recipient, entry.at, entry.text, entry.re, entry.extra)
