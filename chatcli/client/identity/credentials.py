"""Credentials: who connects, to which server, and by which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chatcli.protocol.frames import VERSION, Hello, Purpose
from chatcli.protocol.keys import key_text

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity
    from chatcli.client.identity.trust import Trust
    from chatcli.protocol.address import Address


class Login(NamedTuple):
    """Who listens, and where.

    Attributes:
        server: where.
        user: under which name.
        trust: which servers to speak to.
        identity: the user's key.
        receipts: whether others are told what was handed on.
    """

    server: Address
    user: str
    trust: Trust
    identity: Identity
    receipts: bool = True

    def hello(self, purpose: Purpose, since: int | None = None) -> Hello:
        """Return how to greet the server."""
        key = key_text(self.identity.public)
        return Hello(VERSION, self.user, purpose, key, since, receipts=self.receipts)

    def settled(self) -> Login:
        """Return the same for connecting again: nothing new is accepted, nobody is asked."""
        return self._replace(trust=self.trust.settled())
