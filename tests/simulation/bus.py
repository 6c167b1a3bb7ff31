"""The bus between simulated servers: a list of batches, which each of them applies in order, without gaps."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, get_args

import msgspec

from chatcli.store.batch import Batch, Change, Entry, Outcome, ignore
from chatcli.store.records import AddKey, Barrier, KeyRecord, Lookup, Probe, ReadRecord, Record

#: What only the server itself wants to know: it changes nothing, and is not passed on.
_LOCAL: Final = (Barrier, Lookup, Probe)
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in get_args(Record)}


class Published(NamedTuple):
    """A batch on the bus.

    Attributes:
        batch: the object of the server that has published it.
        by: the life of that server; each start of a server is a life of its own. None for a repetition.
        wire: the batch as the other servers get it.
    """

    batch: Batch
    by: object
    wire: bytes


class Bus:
    """Batches in order: the place of each is its index."""

    def __init__(self) -> None:
        self._published: list[Published] = []

    def __len__(self) -> int:
        return len(self._published)

    def publish(self, batch: Batch, by: object) -> None:
        """Append a batch."""
        self._published.append(Published(batch, by, encode(batch)))

    def repeat(self, place: int) -> None:
        """Append a batch again, as if nobody remembered that it was published."""
        self._published.append(self._published[place]._replace(by=None))

    def take(self, place: int, by: object) -> Batch:
        """Return the batch at a place: for the life that has published it the very object, for others a replica."""
        published = self._published[place]
        return published.batch if published.by is by else decode(published.wire)


def replica(batch: Batch) -> Batch:
    """Return a batch as another server gets it."""
    return decode(encode(batch))


def encode(batch: Batch) -> bytes:
    """Return a batch as bytes: what was asked for, but neither who has asked nor what has become of it."""
    changes = [
        (type(change.record).__name__, msgspec.msgpack.encode(change.record), change.preceding)
        for change in batch.changes
        if not isinstance(change.record, _LOCAL)
    ]
    entries = [
        (entry.id, entry.sender, entry.recipient, entry.at, entry.text, entry.re, entry.extra)
        for entry in batch.entries
    ]
    reads = [(user, of, position) for (user, of), position in batch.reads.items()]
    return msgspec.msgpack.encode((changes, entries, batch.received, reads))


def decode(wire: bytes) -> Batch:
    """Return a batch from bytes."""
    changes, entries, received, reads = msgspec.msgpack.decode(wire)
    batch = Batch()
    batch.changes = [
        Change(_decode_record(_KINDS[kind], record), ignore, preceding, Outcome())
        for kind, record, preceding in changes
    ]
    for identity, sender, recipient, at, text, re, extra in entries:
        entry = Entry(id=identity, sender=sender, recipient=recipient, at=at, text=text, re=re, extra=extra)
        batch.entries.append(entry)
    batch.received = dict(received)
    batch.reads = {(user, of): None if position is None else ReadRecord(*position) for user, of, position in reads}
    return batch


def _decode_record(kind: Any, record: bytes) -> Record:  # noqa: ANN401 (a class)
    if kind is not AddKey:
        decoded: Record = msgspec.msgpack.decode(record, type=kind)
        return decoded
    # The digest is text for one voucher and bytes for another, which no type of the decoder allows.
    fields = msgspec.msgpack.decode(record)
    return AddKey(**{**fields, "key": KeyRecord(*fields["key"])})
