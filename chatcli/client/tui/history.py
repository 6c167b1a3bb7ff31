"""The lines that were typed before, kept for each server: for Up, Ctrl-R and suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from prompt_toolkit.history import History

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.address import Address
from chatcli.protocol.text import is_text

LINES: Final = 2000  # kept; the file is cut back when it has twice as many
_LONGEST: Final = 4096  # characters; what is longer is no line to type again


class KeptHistory(History):
    """A file of lines, each a JSON string, the newest last; several clients may add to it at once.

    Args:
        server: whose lines these are.
        tell: takes why the file cannot be used; the lines of this visit are then all there are.

    Attributes:
        path: of the file.
    """

    def __init__(self, server: Address, tell: Callable[[InputError], None]) -> None:
        super().__init__()
        self._tell = tell
        self._usable = True
        directory = Path(files.state_directory(), "history")
        self.path = files.adopted(*(str(directory / files.file_name(name)) for name in files.names_of(server)))

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines, the newest first, each of them once."""
        try:
            written = (files.read(self.path) or "").split("\n")
            if len(written) > 2 * LINES:
                written = written[-LINES - 1 :]
                files.write(self.path, "\n".join(written))
        except InputError as error:
            self._give_up(error)
            return []
        return list(dict.fromkeys(line for text in reversed(written) if (line := _line(text))))[:LINES]

    def store_string(self, string: str) -> None:
        """Add a line to the file, unless it is no text or too long to be typed again."""
        if not self._usable or not is_text(string) or len(string) > _LONGEST:
            return
        try:
            files.create(self.path, "")
            files.append(self.path, msgspec.json.encode(string).decode())
        except InputError as error:
            self._give_up(error)

    def _give_up(self, error: InputError) -> None:
        self._usable = False
        self._tell(error)


def _line(text: str) -> str:
    """Return the line that is written so in the file; nothing where it is damaged."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError:
        return ""
