"""People who say much: connections that speak the protocol by hand."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from tests.support import Caller, key_of, new_id

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

_AT_ONCE = 500  # messages, after which the answers are waited for


class Speaker:
    """Somebody who says things, with a key that belongs to the name."""

    def __init__(self, address: Address, name: str, *rooms: str) -> None:
        self.caller = Caller(address)
        self.caller.greets(name, key=key_of(name), revision=1, since=2**53 - 1)
        self.caller.hears("welcome")
        for room in rooms:
            self.caller.says("join", room=room, n=1)
            self._until("room")

    def says(self, to: str, texts: Iterable[str], **fields: object) -> list[int]:
        """Say texts, in order; return their ``seq`` when all are on disk."""
        rest = iter(texts)
        seqs: list[int] = []
        while part := list(islice(rest, _AT_ONCE)):
            for text in part:
                self.caller.sends(to, text, new_id(), **fields)
            seqs += [self._until("sent")["seq"] for _ in part]
        return seqs

    def asks(self, tag: str, **fields: object) -> dict[str, Any]:
        """Return the answer to a request."""
        self.caller.says(tag, n=1, **fields)
        while True:
            frame = self.caller.next()
            assert frame is not None
            if frame.get("n") == 1:
                return frame

    def _until(self, tag: str) -> dict[str, Any]:
        while True:
            frame = self.caller.next()
            assert frame is not None, f"the connection ended before {tag}"
            assert frame["t"] not in {"error", "bye"}, frame
            if frame["t"] == tag:
                return frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.caller.hang_up()
