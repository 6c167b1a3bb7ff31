"""The people who talk in these tests, and what they say."""

from __future__ import annotations

import itertools
import uuid
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.log import Entry, UserRecord

ANN: Final = UserRecord(1, "Ann", "ann", 1000, 0)
BOB: Final = UserRecord(2, "Bob", "bob", 2000, 0)
CID: Final = UserRecord(3, "Жанна", "жанна", 3000, 0)
PEOPLE: Final = (ANN, BOB, CID)

_clock = itertools.count(1_700_000_000_000)


def entry(sender: UserRecord, recipient: UserRecord, text: str = "hi", id: bytes | None = None) -> Entry:  # noqa: A002 (the wire's name for it)
    """Make a message with an id and a time of its own."""
    return Entry(id or uuid.uuid4().bytes, sender.id, recipient.id, next(_clock), text)


def settled(_error: StoreError | None) -> None:
    """Take note of nothing: the tests look at the batch."""
