"""What is half written, kept from one visit to the next: a file for each server and user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.address import Address
from chatcli.protocol.text import is_text


class _Kept(msgspec.Struct):
    """What stands in the file; the first two are there for people who look into it."""

    server: str
    user: str
    drafts: dict[str, str]


class Drafts:
    """The file of drafts.

    Args:
        server: where the user is.
        user: who they are.

    Attributes:
        path: of the file, which need not be there.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = str(server)
        self._user = user
        directory = Path(files.state_directory(), "drafts")
        names = (f"{files.file_name(name, user.casefold())}.json" for name in files.names_of(server))
        self.path = files.adopted(*(str(directory / name) for name in names))
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
            self._saved = msgspec.json.decode(text, type=_Kept).drafts
        except (msgspec.DecodeError, RecursionError):
            raise InputError(f"{self.path} holds no drafts that can be read: move it away.") from None
        return dict(self._saved)

    def save(self, drafts: Mapping[str, str]) -> None:
        """Have the file hold these and no others.

        Raises:
            InputError: the directory is open to others, or cannot be written.
        """
        # What a terminal sent that is no text could not be said either.
        written = {name: text for name, text in drafts.items() if text.strip() and is_text(name + text)}
        if written != self._saved:
            kept = msgspec.json.encode(_Kept(self._server, self._user, written))
            files.write(self.path, f"{kept.decode()}\n")
            self._saved = written
