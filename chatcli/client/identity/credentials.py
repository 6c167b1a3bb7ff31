"""The record of a login: the server, the user's name, the servers to trust and the user's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from chatcli.client.identity.key import Identity, load_identity
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.storage.files import config_directory
from chatcli.protocol.frames import REVISION, VERSION, Hello, Purpose
from chatcli.protocol.keys import key_text
from chatcli.protocol.values.text import device_label

if TYPE_CHECKING:
    from chatcli.client.identity.token import Token
    from chatcli.protocol.values.address import Address

_ALIAS: Final = "token-"  # as in identity.token, whose import would be felt in `send`


def _device() -> str:
    """Return the label of this device, by which the user recognizes its key among others."""
    import socket

    return device_label(f"chatcli on {socket.gethostname()}")


class Server(Struct, frozen=True):
    """A server: its name on this machine, and the addresses at which it is dialled.

    Attributes:
        name: the address by which the user calls it. It is trusted under this name, and its data on this machine is
            stored under it, whatever address answers.
        addresses: the addresses, at least one, in the order in which they are tried.
    """

    name: Address
    addresses: tuple[Address, ...]

    @classmethod
    def at(cls, address: Address) -> Server:
        """Return the server that the user calls by the address at which it is dialled."""
        return cls(address, (address,))

    def __str__(self) -> str:
        return str(self.name)


class Login(Struct, frozen=True, kw_only=True):
    """A login at a server.

    Attributes:
        server: the server.
        user: the name to use there; empty for questions that a server answers without one.
        trust: decides whether the server is the right one.
        identity: the user's key; None for questions that need no name, with a token, and until :meth:`with_identity`.
        token: the token in place of a key; None for a key.
        receipts: whether the server may report to others what this login has read.
    """

    server: Server
    user: str = ""
    trust: Trust = CAUTIOUS
    identity: Identity | None = None
    token: Token | None = None
    receipts: bool = True

    def hello(self, purpose: Purpose, since: int | None = None, epoch: str = "") -> Hello:
        """Return the first frame of a connection; ``epoch`` is that of the log which ``since`` belongs to."""
        hello = Hello(VERSION, self.user, purpose, since=since, receipts=self.receipts, revision=REVISION, epoch=epoch)
        if self.identity is not None:
            hello.key, hello.device = key_text(self.identity.public), _device()
        if self.token is not None:
            hello.token = self.token.text
            if self.user == self.token.alias:
                hello.user = ""  # the server knows
        return hello

    def with_identity(self) -> Login:
        """Return the login with a key, by default the one in the user's configuration, unless it has a token.

        Raises:
            InputError: the key cannot be read, or made; or the login is that of a token, which is not there.
        """
        if self.identity is not None or self.token is not None:
            return self
        if self.user.startswith(_ALIAS):
            from chatcli.client.identity.token import check_no_alias

            check_no_alias(self.user)
        return replace(self, identity=load_identity(config_directory()))

    def without_prompt(self) -> Login:
        """Return the login for connecting again: it accepts no new key and asks nobody."""
        return replace(self, trust=self.trust.without_prompt())
