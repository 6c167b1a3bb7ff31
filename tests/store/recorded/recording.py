"""The recording: a stream of batches that is kept beside the tests, with digests of what the log made of it.

Together they hold the rules by which the log decides: the same stream must give the same database and the same outcomes
in every version, or servers that write one stream would drift apart. ``python -m tests.store.recorded --write`` makes
both anew. Do that only when the rules change on purpose, or when there is a new kind of record or of conflict; and add
a line to docs/decisions.md that says what is decided otherwise from now on, and why. A recording that no longer fits
for any other reason has found a fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from chatcli.store.batch import Batch
from tests.store.recorded import codec, stream

_STREAM: Final = Path(__file__).with_name("stream.bin")
_DIGESTS: Final = Path(__file__).with_name("digests.json")
_SEED: Final = 2  # of some sixty, the one with most kinds of outcomes
BATCHES: Final = 300


class Digests(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of a recording.

    Attributes:
        tables: of each table of the database.
        batches: of the outcomes after each batch, and of all before it.
    """

    tables: dict[str, str]
    batches: list[str]


def exists() -> bool:
    """Return whether there is a recording."""
    return _STREAM.exists() and _DIGESTS.exists()


def batches() -> list[Batch]:
    """Return the recorded batches, which no log has seen yet."""
    return codec.unpack(_STREAM.read_bytes())


def digests() -> Digests:
    """Return the recorded digests."""
    return msgspec.json.decode(_DIGESTS.read_bytes(), type=Digests)


def renew_stream() -> bool:
    """Make the stream anew; return whether it differs from the one that was recorded."""
    packed = codec.pack(stream.make(_SEED, BATCHES))
    # Another version of zlib would compress the same stream to other bytes.
    if _STREAM.exists() and codec.pack(batches()) == packed:
        return False
    _STREAM.write_bytes(packed)
    return True


def renew_digests(found: Digests) -> None:
    """Replace the digests."""
    _DIGESTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
