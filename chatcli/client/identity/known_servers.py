"""The file of the servers that the user trusts, like that of ssh: an address and the fingerprint of a key per line."""

from __future__ import annotations

import contextlib
import os
from typing import Final, NamedTuple

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.keys import is_fingerprint
from chatcli.protocol.values.address import Address, canonical, parse_address

_HEADING: Final = "# Servers that you trust, one a line: its address, and the fingerprint of its key.\n"


class Entry(NamedTuple):
    """A line of the file: the fingerprint of a server's key, and the number of the line, from 1."""

    key: str
    line: int


class KnownServers:
    """The file ``known_servers`` in a directory; neither need exist.

    Attributes:
        path: the path of the file.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "known_servers")

    def find(self, server: Address) -> list[Entry]:
        """Return the keys of a server: several if its operator has announced a new one and the user added it.

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
        """Return the addresses of all servers, once for each line.

        Raises:
            InputError: as :meth:`find`.
        """
        return [address for address, _ in self._entries()]

    def add(self, server: Address, key: str) -> None:
        """Append a server to the file.

        Raises:
            InputError: the file is open to others, or cannot be written.
        """
        files.create(self.path, _HEADING)
        files.append_line(self.path, f"{canonical(server)} {key}")

    def remove(self, server: Address) -> int:
        """Remove all lines of a server; return their number.

        Raises:
            InputError: as :meth:`find`, or the file cannot be written.
        """
        removed = {entry.line for entry in self.find(server)}
        if removed:
            lines = (files.read(self.path) or "").split("\n")
            left = (line for number, line in enumerate(lines, 1) if number not in removed)
            files.atomic_write(self.path, "\n".join(left))
        return len(removed)

    def _entries(self) -> list[tuple[Address, Entry]]:
        lines = (files.read(self.path) or "").split("\n")
        return [self._entry(number, line) for number, line in enumerate(lines, 1) if _has_content(line)]

    def _entry(self, number: int, line: str) -> tuple[Address, Entry]:
        # If a damaged line were skipped, a known server would be taken for a new one.
        match line.split():
            case [address, key] if is_fingerprint(key):
                with contextlib.suppress(InputError):
                    return parse_address(address), Entry(key, number)
        raise InputError(f'Line {number} of {self.path} is not "ADDRESS SHA256:…": correct or remove it.')


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
