"""Which servers to speak to: those on this machine, and those whose key is pinned, known, vouched for or agreed to.

It knows neither sockets nor TLS: :mod:`chatcli.client.transport.tls` brings what a server has shown.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from chatcli.client.storage.files import config_directory
from chatcli.errors import InputError, ServerNotTrusted, UnknownServer
from chatcli.protocol.address import Address
from chatcli.protocol.keys import PLAIN, Channel
from chatcli.protocol.text import command_line

if TYPE_CHECKING:
    from chatcli.client.identity.known_servers import KnownServers

#: Asks the person something that is answered with yes or no, which may take minutes.
Ask = Callable[[str], bool]

#: Why a server is trusted: it is on this machine and spoken to without TLS; its key is the one given; its key is
#: written down; an authority vouches for it.
TrustReason = Literal["plain", "pinned", "known", "vouched"]


class Trust:
    """Decides about servers, and writes down what was decided.

    Args:
        pin: the fingerprint of the only key to accept. Given one, even a server on this machine must have it: the
            address may be one end of a tunnel.
        accept_new: take what a server that is not known shows, and write it down.
        ask: asks the person about a server that is not known, or not at this address.
        directory: where ``known_servers`` lies; by default the user's configuration.
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
        """Return the trust with which to connect again: nothing new is accepted, nobody is asked."""
        return Trust(self.pin, directory=self._directory)

    def plain(self, server: Address) -> bool:
        """Return whether to speak to the server without TLS."""
        return self.pin is None and is_loopback(server.host)

    def expects_key(self, server: Address) -> bool:
        """Return whether the server's key is settled, so that no authority's word counts.

        Raises:
            InputError: the file of known servers cannot be used.
        """
        return self.pin is not None or bool(self._known().find(server))

    def known_key(self, server: Address) -> str | None:
        """Return the fingerprint of the server's key, if it is pinned or written down."""
        if self.pin is not None or self.plain(server):
            return self.pin
        entries = self._known().find(server)
        return entries[0].key if entries else None

    def reason(self, server: Address, shown: Channel) -> TrustReason:
        """Return why a server is trusted that :meth:`check` has let pass.

        Raises:
            InputError: the file of known servers cannot be used.
        """
        if shown == PLAIN:
            return "plain"
        if self.pin is not None:
            return "pinned"
        return "known" if self.known_key(server) else "vouched"

    def check(self, server: Address, shown: Channel, *, vouched: bool, doubt: str = "") -> None:
        """Return if the server is to be trusted.

        Args:
            server: where the connection was made to.
            shown: what the server has shown.
            vouched: whether an authority that the system trusts vouches for its name.
            doubt: why none does, in words.

        Raises:
            UnknownServer: there is someone to ask about it: do so with :meth:`confirm`, once the connection is closed.
            ServerNotTrusted: it shows another key than it must, or is not known and there is nobody to ask.
            InputError: the file of known servers cannot be used.
        """
        if self.pin is not None and self.pin != shown.server_key:
            raise ServerNotTrusted(_not_pinned(server, self.pin, shown.server_key))
        if self.pin is not None and is_loopback(server.host):
            return  # Servers come and go at addresses of this machine: what was there before says nothing.
        known = self._known()
        entries = known.find(server)
        if any(entry.key == shown.server_key for entry in entries):
            return
        if entries:
            places = " and ".join(str(entry.line) for entry in entries)
            raise ServerNotTrusted(_changed(server, entries[0].key, shown.server_key, f"line {places} of {known.path}"))
        if self.pin is not None:
            with contextlib.suppress(InputError):  # the pin is enough, wherever nothing can be written down
                self._write_down(known, server, shown.server_key)
        elif self.accept_new and not vouched:
            self._write_down(known, server, shown.server_key)
        elif not vouched:
            raise self._unknown(server, shown.server_key, known.addresses(shown.server_key), doubt)

    def confirm(self, server: Address, unknown: UnknownServer) -> None:
        """Ask about a server that is not known, and write it down on yes.

        No connection may be waiting meanwhile: the server would give it up.

        Raises:
            ServerNotTrusted: the answer is no, or there is nobody to ask.
            InputError: the file of known servers cannot be used.
        """
        if self.ask is None or not self.ask(unknown.question):
            raise ServerNotTrusted(f"Nothing was said to {server}: ask its operator for the fingerprint of its key.")
        self._write_down(self._known(), server, unknown.key, asked=True)

    def _unknown(self, server: Address, shown: str, before: list[Address], doubt: str) -> ServerNotTrusted:
        if self.ask is not None:
            question = _has_it_moved(server, before[-1], shown) if before else _is_it_right(server, shown, doubt)
            return UnknownServer(
                f"Someone must say whether {shown} is the key of the server at {server}.", shown, question
            )
        if before:
            return ServerNotTrusted(_moved(server, before[-1], shown))
        because = f" {doubt}" if doubt else ""
        return ServerNotTrusted(
            f"The server at {server} is not known, and there is no terminal to ask on. Its key is {shown}. If that is "
            f"what its operator gave you, say --pin {shown}; --accept-new takes whatever a new server shows.{because}"
        )

    def _write_down(self, known: KnownServers, server: Address, key: str, *, asked: bool = False) -> None:
        """Write a server down; where its key is that of one at another address, it is that one, which has moved."""
        from chatcli.client import diagnostics
        from chatcli.client.identity import addresses

        before = known.addresses(key)
        known.add(server, key)
        if before and addresses.name_of(server) != addresses.name_of(before[-1]):
            addresses.unite(server, before[-1])
            if not asked:
                diagnostics.trouble(
                    f"The server at {server} has the key that is known as that of {before[-1]}: it is the same server. "
                    "What is kept here of it counts at both addresses."
                )
        elif server != addresses.addresses_of(server)[-1] and not before:
            addresses.part(server)

    def _known(self) -> KnownServers:
        from chatcli.client.identity.known_servers import KnownServers

        return KnownServers(self._directory or config_directory())


#: Nothing pinned, nothing accepted, nobody to ask.
CAUTIOUS: Final = Trust()


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, as everyone calls it: 127.0.0.0/8, ::1 or localhost."""
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
        "It is the same server at another address. Use what is kept of it here (messages that wait, drafts, positions) "
        f"at {server} too?"
    )


def _moved(server: Address, before: Address, key: str) -> str:
    return (
        f"The server at {server} is not known, and there is no terminal to ask on; but its key, {key}, is that of "
        f"{before}, which you know: it is the same server at another address. To take that over for all commands, run "
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
