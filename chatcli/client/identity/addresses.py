"""The addresses of each server on this machine: its former ones, and the present one.

The user calls it, or has called it, by each of them: they are names, as that of
:class:`chatcli.client.identity.credentials.Server`, whose ``addresses`` say where it is dialled.

A server that has moved shows its old key at another address. Once the user has agreed that it is the same, the new
address is stored in a file together with the name of the old one (:func:`chatcli.client.storage.files.server_names`):
outbox, positions, drafts and the rest stay where they are, and are found under either address.
"""

from __future__ import annotations

from typing import Final

from chatcli.client.storage import files
from chatcli.protocol.values.address import Address, canonical, parse_address

_HEADING: Final = "# One address per line, and the name under which files of the server there are stored.\n"
#: What precedes the number of a server, where several were at one address in turn: occurs in no such address.
_AGAIN: Final = "~"
_AGAIN_WITH_PATH: Final = "#"


def name_of(server: Address) -> str:
    """Return the name under which files of a server are stored."""
    return files.server_names(server)[0]


def addresses_of(server: Address) -> list[Address]:
    """Return all addresses of a server, including this one, the newest last."""
    return addresses_named(name_of(server))


def addresses_named(name: str) -> list[Address]:
    """Return the addresses of the server whose files are stored under a name, the newest last.

    Raises:
        InputError: no server can have that name.
    """
    name = name if _again(name) in name else parse_address(name).key
    known = files.moved_servers()
    found = [] if name in known or _again(name) in name else [name]
    return list(map(parse_address, found + [address for address, other in known.items() if other == name]))


def merge(server: Address, known: Address) -> None:
    """Store that a server is the same as one that is known at another address.

    Raises:
        InputError: the file cannot be written.
    """
    if name_of(server) != name_of(known):
        _write({canonical(server).key: name_of(known)})


def separate(server: Address) -> None:
    """Store that another server is at an address now; files of the former one do not belong to it.

    Raises:
        InputError: the file cannot be written.
    """
    if len(addresses_of(server)) > 1:
        own = canonical(server).key
        first = f"{own}{_again(own)}"
        taken = {own, *files.moved_servers().values()}
        number = next(number for number in range(1, len(taken) + 2) if f"{first}{number}" not in taken)
        _write({own: f"{first}{number}"})


def forget(server: Address) -> None:
    """Remove an address.

    Raises:
        InputError: the file cannot be written.
    """
    if canonical(server).key in files.moved_servers():
        _write({canonical(server).key: None})


def _again(name: str) -> str:
    """Return the sign before the number in a name."""
    return _AGAIN_WITH_PATH if "://" in name else _AGAIN


def _write(changes: dict[str, str | None]) -> None:
    known = {address: name for address, name in files.moved_servers().items() if address not in changes}
    known.update({address: name for address, name in changes.items() if name is not None})
    lines = (f"{address} {name}\n" for address, name in known.items())
    files.atomic_write(files.moved_servers_path(), _HEADING + "".join(lines))
