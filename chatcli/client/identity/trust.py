"""Trust in servers: on this machine, or with a key that is pinned, known, vouched for or confirmed by a person.

A server is trusted under its name: the address by which the user calls it, wherever it was dialled. This module knows
neither sockets nor TLS: :mod:`chatcli.client.transport.tls` provides the key that a server has shown.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from chatcli.client.storage.files import config_directory
from chatcli.errors import InputError, ServerNotTrusted, UnknownServer
from chatcli.protocol.keys import PLAIN, Channel
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.text import command_line

if TYPE_CHECKING:
    from chatcli.client.identity.known_servers import KnownServers

#: Asks a person a question with the answers yes and no; returns after minutes perhaps.
Ask = Callable[[str], bool]

#: The reason to trust a server: it is on this machine, without TLS; its key is the one given; its key is in the file of
#: known servers; an authority vouches for it.
TrustReason = Literal["plain", "pinned", "known", "vouched"]


class Trust:
    """Decides about servers, and stores the decisions.

    Args:
        pin: the fingerprint of the only key to accept, even from a server on this machine: the address may be one end
            of a tunnel.
        accept_new: accept and store the key of an unknown server.
        ask: asks a person about a server that is unknown, or unknown at this address.
        directory: the directory of ``known_servers``; by default that of the user's configuration.
    """

    def __init__(
        self,
        pin: str | None = None,
        *,
        accept_new: bool = False,
        ask: Ask | None = None,
        directory: str | None = None,
    ) -> None:
        self.pin = pin
        self.accept_new = accept_new
        self.ask = ask
        self._directory = directory

    def without_prompt(self) -> Trust:
        """Return the trust for connecting again: it accepts no new key and asks nobody."""
        return Trust(self.pin, directory=self._directory)

    def plain(self, server: Address) -> bool:
        """Return whether a name, or an address, is that of a server that is spoken to without TLS."""
        # A tunnel may end anywhere.
        return self.pin is None and not server.scheme and is_loopback(server.host)

    def expects_key(self, server: Address) -> bool:
        """Return whether the server's key is pinned or known, so that no authority is asked.

        Raises:
            InputError: the file of known servers cannot be used.
        """
        return self.pin is not None or bool(self._known().find(server))

    def known_key(self, server: Address) -> str | None:
        """Return the fingerprint of the server's key, if it is pinned or known."""
        if self.pin is not None or self.plain(server):
            return self.pin
        entries = self._known().find(server)
        return entries[0].key if entries else None

    def reason(self, server: Address, shown: Channel) -> TrustReason:
        """Return the reason to trust a server that has passed :meth:`check`.

        Raises:
            InputError: the file of known servers cannot be used.
        """
        if shown == PLAIN:
            return "plain"
        if self.pin is not None:
            return "pinned"
        return "known" if self.known_key(server) else "vouched"

    def check(self, server: Address, shown: Channel, *, vouched: bool, doubt: str = "") -> None:
        """Raise unless the server is to be trusted; store a key that was accepted.

        Args:
            server: the server's name.
            shown: the channel of the connection to it.
            vouched: whether an authority that the system trusts vouches for its name.
            doubt: a sentence that says why none does; empty if one does.

        Raises:
            UnknownServer: a person must be asked, with :meth:`confirm`, once the connection is closed.
            ServerNotTrusted: it shows another key than it must, or is unknown and there is nobody to ask.
            InputError: the file of known servers cannot be used.
        """
        if self.pin is not None and self.pin != shown.server_key:
            raise ServerNotTrusted(_not_pinned(server, self.pin, shown.server_key))
        if self.pin is not None and is_loopback(server.host):
            return  # addresses of this machine are used by one server after another: an earlier key says nothing
        known = self._known()
        entries = known.find(server)
        if any(entry.key == shown.server_key for entry in entries):
            return
        if entries:
            places = " and ".join(str(entry.line) for entry in entries)
            raise ServerNotTrusted(_changed(server, entries[0].key, shown.server_key, f"line {places} of {known.path}"))
        if self.pin is not None:
            with contextlib.suppress(InputError):  # the pin is enough, even where nothing can be stored
                self._store(known, server, shown.server_key)
        elif self.accept_new and not vouched:
            self._store(known, server, shown.server_key)
        elif not vouched:
            raise self._unknown(server, shown.server_key, known.addresses(shown.server_key), doubt)

    def confirm(self, server: Address, unknown: UnknownServer) -> None:
        """Ask the person about an unknown server, and store its key if they say yes.

        No connection may wait meanwhile: the server would close it.

        Raises:
            ServerNotTrusted: the answer is no, or there is nobody to ask.
            InputError: the file of known servers cannot be used.
        """
        if self.ask is None or not self.ask(unknown.question):
            raise ServerNotTrusted(f"Nothing was sent to {server}: ask its operator for the fingerprint of its key.")
        self._store(self._known(), server, unknown.key, asked=True)

    def _unknown(self, server: Address, shown: str, before: list[Address], doubt: str) -> ServerNotTrusted:
        if self.ask is not None:
            question = _has_it_moved(server, before[-1], shown) if before else _is_it_right(server, shown, doubt)
            return UnknownServer(
                f"Someone must confirm that {shown} is the key of the server at {server}.", shown, question
            )
        if before:
            return ServerNotTrusted(_moved(server, before[-1], shown))
        because = f" {doubt}" if doubt else ""
        return ServerNotTrusted(
            f"The server at {server} is not known, and there is no terminal to ask on. Its key is {shown}. If that is "
            f"what its operator gave you, add --pin {shown}; --accept-new accepts any key of a new server.{because}"
        )

    def _store(self, known: KnownServers, server: Address, key: str, *, asked: bool = False) -> None:
        """Store a server's key. A server with the key of one at another address is that server, which has moved."""
        from chatcli.client import diagnostics
        from chatcli.client.identity import addresses

        before = known.addresses(key)
        known.add(server, key)
        if before and addresses.name_of(server) != addresses.name_of(before[-1]):
            addresses.merge(server, before[-1])
            if not asked:
                diagnostics.trouble(
                    f"The server at {server} has the key that is known as that of {before[-1]}: it is the same server. "
                    "Its messages, drafts and positions here count for both addresses."
                )
        elif server != addresses.addresses_of(server)[-1] and not before:
            addresses.separate(server)

    def _known(self) -> KnownServers:
        from chatcli.client.identity.known_servers import KnownServers

        return KnownServers(self._directory or config_directory())


#: No pin, no new keys, and nobody to ask.
CAUTIOUS: Final = Trust()


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its usual names: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        if ":" in host:
            return socket.inet_pton(socket.AF_INET6, host) == bytes(15) + b"\x01"
        return socket.inet_pton(socket.AF_INET, host)[0] == 127
    except (OSError, UnicodeError):
        return False


def _is_it_right(server: Address, key: str, doubt: str) -> str:
    because = f"{doubt}\n" if doubt else ""
    return (
        f"The server at {server} is not known. Its key is {key}.\n{because}Is this the key that its operator gave you?"
    )


def _has_it_moved(server: Address, before: Address, key: str) -> str:
    return (
        f"The server at {server} has a key that is known here: {key} is that of {before}.\n"
        "It is the same server at another address. Use its files here (waiting messages, drafts, positions) "
        f"at {server} too?"
    )


def _moved(server: Address, before: Address, key: str) -> str:
    return (
        f"The server at {server} is not known, and there is no terminal to ask on; but its key, {key}, is that of "
        f"{before}, which you know: it is the same server at another address. To confirm that for all commands, run "
        f"this once:\n{command_line('chatcli', 'who', '--server', str(server), '--accept-new')}"
    )


def _not_pinned(server: Address, pin: str, shown: str) -> str:
    return (
        f"The server at {server} does not have the key that is pinned, with --pin or in config.toml.\n"
        f"  pinned: {pin}\n"
        f"  shown:  {shown}\n"
        "Someone may be in between and listen, or the server was installed anew: ask its operator for the fingerprint."
    )


def _changed(server: Address, before: str, shown: str, place: str) -> str:
    return (
        f"The key of the server at {server} has changed.\n"
        f"  before: {before}\n"
        f"  now:    {shown}\n"
        "Someone may be in between and listen, or the server was installed anew: ask its operator. "
        f"If the new key is right, remove {place}, and connect again."
    )
