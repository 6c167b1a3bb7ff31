"""Drafts of messages, stored from one visit to the next in a file for each server and user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.text import is_text


class _Stored(msgspec.Struct):
    """The content of the file; the first two fields are for people who look into it."""

    server: str
    user: str
    drafts: dict[str, str]


class Drafts:
    """The file of drafts.

    Args:
        server: the server that the drafts are for.
        user: their author.

    Attributes:
        path: the path of the file, which need not exist.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = str(server)
        self._user = user
        directory = Path(files.state_directory(), "drafts")
        names = (f"{files.file_name(name, user.casefold())}.json" for name in files.server_names(server))
        self.path = files.migrate(*(str(directory / name) for name in names))
        self._saved: dict[str, str] = {}

    def load(self) -> dict[str, str]:
        """Return the drafts by conversation.

        Raises:
            InputError: the file is open to others, or cannot be read.
        """
        text = files.read(self.path)
        if text is None:
            return {}
        try:
            self._saved = msgspec.json.decode(text, type=_Stored).drafts
        except (msgspec.DecodeError, RecursionError):
            raise InputError(f"{self.path} cannot be read as drafts: move it away.") from None
        return dict(self._saved)

    def save(self, drafts: Mapping[str, str]) -> None:
        """Store these drafts and no others.

        Raises:
            InputError: the directory is open to others, or cannot be written.
        """
        # A terminal may send invalid text, which could not be sent either.
        written = {name: text for name, text in drafts.items() if text.strip() and is_text(name + text)}
        if written != self._saved:
            content = msgspec.json.encode(_Stored(self._server, self._user, written))
            files.atomic_write(self.path, f"{content.decode()}\n")
            self._saved = written
