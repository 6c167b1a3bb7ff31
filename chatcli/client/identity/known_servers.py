"""The file of servers that the user trusts: a line for each, its address and its key's fingerprint, as ssh has one."""

from __future__ import annotations

import contextlib
import os
from typing import Final, NamedTuple

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.address import Address, canonical, parse_address
from chatcli.protocol.keys import is_fingerprint

_HEADING: Final = "# Servers that you trust, one a line: HOST:PORT, and the fingerprint of its key.\n"


class Entry(NamedTuple):
    """What the file says of a server: a key's fingerprint, and in which line, the first being 1."""

    key: str
    line: int


class KnownServers:
    """The file ``known_servers`` in a directory; it and the directory need not be there.

    Attributes:
        path: of the file.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "known_servers")

    def find(self, server: Address) -> list[Entry]:
        """Return the keys of a server; several, if its operator has announced a new one and the user added it.

        Raises:
            InputError: the file is open to others, or a line of it cannot be read.
        """
        return [entry for address, entry in self._entries() if address == canonical(server)]

    def addresses(self, key: str) -> list[Address]:
        """Return the addresses at which a key is known, the newest last.

        Raises:
            InputError: as :meth:`find`.
        """
        return [address for address, entry in self._entries() if entry.key == key]

    def all(self) -> list[Address]:
        """Return the addresses of all servers, each as often as it has lines.

        Raises:
            InputError: as :meth:`find`.
        """
        return [address for address, _ in self._entries()]

    def add(self, server: Address, key: str) -> None:
        """Write a server down, behind the others.

        Raises:
            InputError: the file is open to others, or cannot be written.
        """
        files.create(self.path, _HEADING)
        files.append(self.path, f"{canonical(server)} {key}")

    def remove(self, server: Address) -> int:
        """Take all lines of a server out; return how many there were.

        Raises:
            InputError: as :meth:`find`, or the file cannot be written.
        """
        gone = {entry.line for entry in self.find(server)}
        if gone:
            lines = (files.read(self.path) or "").split("\n")
            files.write(self.path, "\n".join(line for number, line in enumerate(lines, 1) if number not in gone))
        return len(gone)

    def _entries(self) -> list[tuple[Address, Entry]]:
        lines = (files.read(self.path) or "").split("\n")
        return [self._entry(number, line) for number, line in enumerate(lines, 1) if _says_something(line)]

    def _entry(self, number: int, line: str) -> tuple[Address, Entry]:
        # RosterObserver over a damaged line would make a server that is known one to ask about.
        match line.split():
            case [address, key] if is_fingerprint(key):
                with contextlib.suppress(InputError):
                    return parse_address(address), Entry(key, number)
        raise InputError(f'Line {number} of {self.path} is not "HOST:PORT SHA256:…": correct or remove it.')


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
