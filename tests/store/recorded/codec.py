"""Turns batches and their outcomes into bytes, and bytes into batches that no log has seen yet."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec

from chatcli.store.batch import Batch, Change, Entry, Outcome, ignore
from chatcli.store.records import AddKey, Fact, KeyRecord, Lookup, ReadRecord, Record

RECORDS: Final[dict[str, type[Record]]] = {kind.__name__: kind for kind in get_args(Record)}

_encode: Final = msgspec.msgpack.Encoder().encode


class _Said(NamedTuple):
    """A message; what only its connection needs is left out."""

    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    re: int | None
    extra: str | None


class _Written(NamedTuple):
    """A batch: the records and the messages before each, the messages, and the positions."""

    changes: list[tuple[str, Any, int]]
    entries: list[_Said]
    received: dict[int, int]
    reads: list[tuple[int, int, ReadRecord | None]]


_decode: Final = msgspec.msgpack.Decoder(list[_Written]).decode


def pack(batches: Sequence[Batch]) -> bytes:
    """Return batches as bytes."""
    return zlib.compress(_encode([_written(batch) for batch in batches]), 9)


def unpack(packed: bytes) -> list[Batch]:
    """Return new batches, as they were before a log has written them."""
    return [_batch(written) for written in _decode(zlib.decompress(packed))]


def plain(record: Record | Fact) -> list[Any]:
    """Return a record as its name and values that every encoder knows."""
    if isinstance(record, Lookup):
        return ["Lookup", [record.id, record.by]]
    return [type(record).__name__, msgspec.to_builtins(record, builtin_types=(bytes,))]


def outcomes(batch: Batch) -> list[Any]:
    """Return everything that the log has decided about a batch, as values that every encoder knows."""
    return [
        batch.newest,
        [_outcome(change) for change in batch.changes],
        [
            [entry.seq, entry.conflict, entry.first_at, msgspec.to_builtins(entry.prior_answer)]
            for entry in batch.entries
        ],
    ]


def _outcome(change: Change) -> list[Any]:
    record, outcome = change.record, change.outcome
    found = [record.sender, record.seq, record.at] if isinstance(record, Lookup) else []
    return [outcome.conflict, [plain(fact) for fact in outcome.facts], found]


def _written(batch: Batch) -> _Written:
    return _Written(
        changes=[(*plain(change.record), change.preceding) for change in batch.changes],
        entries=[
            _Said(one.id, one.sender, one.recipient, one.at, one.text, one.re, one.extra) for one in batch.entries
        ],
        received=batch.received,
        reads=[(user, of, position) for (user, of), position in batch.reads.items()],
    )


def _batch(written: _Written) -> Batch:
    batch = Batch()
    batch.changes = [
        Change(_record(name, fields), ignore, preceding, Outcome()) for name, fields, preceding in written.changes
    ]
    batch.entries = [Entry(**one._asdict()) for one in written.entries]
    batch.bytes = sum(entry.size for entry in batch.entries)
    batch.received = written.received
    batch.reads = {(user, of): position for user, of, position in written.reads}
    return batch


def _record(name: str, fields: Any) -> Record:  # noqa: ANN401 (of each kind others)
    kind = RECORDS[name]
    if kind is Lookup:
        return Lookup(*fields)
    if kind is AddKey:  # whose digest has one of two types
        return AddKey(**{**fields, "key": KeyRecord(*fields["key"])})
    return msgspec.convert(fields, kind)
