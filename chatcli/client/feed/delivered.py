"""The ids of the messages that a listener was given last: a message that comes again under another number has its id.

That happens if the server is restored from a backup and the sender repeats what the log has lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

_DIGEST: Final = 8  # bytes of an id's digest
_COUNT: Final = 1024  # ids
_EMPTY: Final = bytes(_DIGEST)

#: Bytes in a file.
SIZE: Final = _DIGEST * _COUNT


class DeliveredIds:
    """A ring of digests, whose newest one is followed by an empty slot.

    Args:
        data: the ring as it was written.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._slots = [data[start : start + _DIGEST].ljust(_DIGEST, b"\0") for start in range(0, SIZE, _DIGEST)]
        self._next = self._slots.index(_EMPTY) if _EMPTY in self._slots else 0
        self._known = {*self._slots} - {_EMPTY}

    def __contains__(self, identity: str) -> bool:
        """Return whether a message was delivered lately."""
        return _digest(identity) in self._known

    def add(self, identities: Iterable[str]) -> dict[int, bytes]:
        """Add messages; return what to write into the file, by place."""
        changes: dict[int, bytes] = {}
        for identity in identities:
            self._set(self._next, _digest(identity), changes)
            self._next = (self._next + 1) % _COUNT
        if changes:
            self._set(self._next, _EMPTY, changes)
        return changes

    def _set(self, slot: int, digest: bytes, changes: dict[int, bytes]) -> None:
        self._known.discard(self._slots[slot])
        self._slots[slot] = digest
        if digest != _EMPTY:
            self._known.add(digest)
        changes[slot * _DIGEST] = digest


def _digest(identity: str) -> bytes:
    return blake2b(identity.encode(errors="replace"), digest_size=_DIGEST).digest()
