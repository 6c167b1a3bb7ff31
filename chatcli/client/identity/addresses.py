"""Which addresses mean one server, on this machine: those at which it was, and where it is now.

A server that has moved shows its old key at another address. Once the user has agreed that it is the same, the new
address stands in a file beside the name of the old one (:func:`~chatcli.client.storage.files.names_of`): outbox,
positions, drafts and the rest stay where they are, and are found under either address.
"""

from __future__ import annotations

from typing import Final

from chatcli.client.storage import files
from chatcli.protocol.address import Address, canonical, parse_address

_HEADING: Final = "# An address a line, and the name under which what is kept of the server there lies.\n"
_AGAIN: Final = "~"  # stands in no address: tells the names of servers apart that were at one address by turns


def name_of(server: Address) -> str:
    """Return the name under which what is kept of a server lies."""
    return files.names_of(server)[0]


def addresses_of(server: Address) -> list[Address]:
    """Return all addresses of a server, this one included, the newest last."""
    return addresses_named(name_of(server))


def addresses_named(name: str) -> list[Address]:
    """Return the addresses of the server of which something is kept under a name, the newest last.

    Raises:
        InputError: nothing could be kept under that name.
    """
    name = name if _AGAIN in name else str(parse_address(name)).lower()
    known = files.moved()
    found = [] if name in known or _AGAIN in name else [name]
    return list(map(parse_address, found + [address for address, other in known.items() if other == name]))


def unite(server: Address, known: Address) -> None:
    """Note that a server is the same as one that is known at another address.

    Raises:
        InputError: it cannot be written.
    """
    if name_of(server) != name_of(known):
        _write({str(canonical(server)).lower(): name_of(known)})


def part(server: Address) -> None:
    """Note that another server is at an address than the one of whose name it was; nothing of the old one is its.

    Raises:
        InputError: it cannot be written.
    """
    if len(addresses_of(server)) > 1:
        own = str(canonical(server)).lower()
        taken = {own, *files.moved().values()}
        number = next(number for number in range(1, len(taken) + 2) if f"{own}{_AGAIN}{number}" not in taken)
        _write({own: f"{own}{_AGAIN}{number}"})


def forget(server: Address) -> None:
    """Take an address out.

    Raises:
        InputError: it cannot be written.
    """
    if str(canonical(server)).lower() in files.moved():
        _write({str(canonical(server)).lower(): None})


def _write(changes: dict[str, str | None]) -> None:
    known = {address: name for address, name in files.moved().items() if address not in changes}
    known.update({address: name for address, name in changes.items() if name is not None})
    files.write(files.moved_path(), _HEADING + "".join(f"{address} {name}\n" for address, name in known.items()))
