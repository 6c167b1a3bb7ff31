"""The record of a login: the server, the user's name, the servers to trust and the user's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chatcli.client.identity.key import Identity, load_identity
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.storage.files import config_directory
from chatcli.protocol.frames import REVISION, VERSION, Hello, Purpose
from chatcli.protocol.keys import key_text

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address


class Login(Struct, frozen=True, kw_only=True):
    """A login at a server.

    Attributes:
        server: the server's address.
        user: the name to use there; empty for questions that a server answers without one.
        trust: decides whether the server is the right one.
        identity: the user's key; None for questions that need no name, and until :meth:`with_identity`.
        receipts: whether the server may report to others what this login has read.
    """

    server: Address
    user: str = ""
    trust: Trust = CAUTIOUS
    identity: Identity | None = None
    receipts: bool = True

    def hello(self, purpose: Purpose, since: int | None = None, epoch: str = "") -> Hello:
        """Return the first frame of a connection; ``epoch`` is that of the log which ``since`` belongs to."""
        key = "" if self.identity is None else key_text(self.identity.public)
        return Hello(VERSION, self.user, purpose, key, since, receipts=self.receipts, revision=REVISION, epoch=epoch)

    def with_identity(self) -> Login:
        """Return the login with a key: by default the one in the user's configuration.

        Raises:
            InputError: the key cannot be read, or made.
        """
        if self.identity is not None:
            return self
        return replace(self, identity=load_identity(config_directory()))

    def without_prompt(self) -> Login:
        """Return the login for connecting again: it accepts no new key and asks nobody."""
        return replace(self, trust=self.trust.without_prompt())
