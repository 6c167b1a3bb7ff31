"""Users and rooms for the tests of the store, and their messages."""

from __future__ import annotations

import itertools
import uuid
from typing import Final

from chatcli.protocol.values.lookalikes import look_of
from chatcli.store.batch import Entry
from chatcli.store.records import Claim, Found, Leave, MessageRow, Record, RoomRecord, UserRecord


def new_user(id: int, name: str, created: int) -> UserRecord:  # noqa: A002 (the field's name)
    """Make a user who has read nothing."""
    return UserRecord(id=id, name=name, key=name.casefold(), look=look_of(name), created=created, received=0)


def new_room(id: int, name: str, created: int, *, kind: str = "open", topic: str = "") -> RoomRecord:  # noqa: A002 (likewise)
    """Make a room."""
    return RoomRecord(
        id=id, name=name, key=name.casefold(), look=look_of(name), kind=kind, topic=topic, created=created
    )


ANN: Final = new_user(1, "Ann", 1000)
BOB: Final = new_user(2, "Bob", 2000)
CID: Final = new_user(3, "Жанна", 3000)
PEOPLE: Final = (ANN, BOB, CID)

LOBBY: Final = new_room(-1, "#Lobby", 1500, topic="Everything")
OPS: Final = new_room(-2, "#ops", 2500)
ROOMS: Final = (LOBBY, OPS)

_clock = itertools.count(1_700_000_000_000)

Party = UserRecord | RoomRecord | int


def claim(user: UserRecord) -> Claim:
    """Return the request that makes a user, without a key."""
    return Claim(id=user.id, name=user.name, key=user.key, look=user.look, created=user.created)


def empty(*rooms: RoomRecord) -> list[Record]:
    """Return the requests that make rooms without members: Ann leaves them at once."""
    return [record for room in rooms for record in (Found(room, ANN.id), Leave(ANN.id, room.id))]


def entry(sender: Party, recipient: Party, text: str = "hi", id: bytes | None = None) -> Entry:  # noqa: A002 (the wire's name for it)
    """Make a message with a new id and time."""
    return Entry(id=id or uuid.uuid4().bytes, sender=_id(sender), recipient=_id(recipient), at=next(_clock), text=text)


def faulty() -> Entry:
    """Make a message with which its batch fails, since only a fault of the server makes such a one."""
    made = entry(ANN, BOB)
    made.text = b""  # type: ignore[assignment]
    return made


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
