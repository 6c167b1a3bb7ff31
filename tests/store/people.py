"""Users and rooms for the tests of the store, and their messages."""

from __future__ import annotations

import itertools
import uuid
from typing import Final

from chatcli.store.records import Entry, MessageRow, RoomRecord, UserRecord

ANN: Final = UserRecord(id=1, name="Ann", key="ann", created=1000, received=0)
BOB: Final = UserRecord(id=2, name="Bob", key="bob", created=2000, received=0)
CID: Final = UserRecord(id=3, name="Жанна", key="жанна", created=3000, received=0)
PEOPLE: Final = (ANN, BOB, CID)

LOBBY: Final = RoomRecord(id=-1, name="#Lobby", key="#lobby", kind="open", topic="Everything", created=1500)
OPS: Final = RoomRecord(id=-2, name="#ops", key="#ops", kind="open", topic="", created=2500)
ROOMS: Final = (LOBBY, OPS)

_clock = itertools.count(1_700_000_000_000)

Party = UserRecord | RoomRecord | int


def entry(sender: Party, recipient: Party, text: str = "hi", id: bytes | None = None) -> Entry:  # noqa: A002 (the wire's name for it)
    """Make a message with a new id and time."""
    return Entry(id=id or uuid.uuid4().bytes, sender=_id(sender), recipient=_id(recipient), at=next(_clock), text=text)


def _id(party: Party) -> int:
    return party if isinstance(party, int) else party.id


def row(entry: Entry) -> MessageRow:
    """Return a message as it is read back."""
    return MessageRow(
        seq=entry.seq,
        id=entry.id,
        sender=entry.sender,
        recipient=entry.recipient,
        at=entry.at,
        text=entry.text,
        re=entry.re,
        extra=entry.extra,
    )
