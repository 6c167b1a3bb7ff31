"""The history of typed lines, one file for each server: for Up, Ctrl-R and suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.history import History

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.text import is_text

LINES: Final = 2000  # the file is cut back to the newest ones when it has twice as many
_LONGEST: Final = 4096  # characters; longer lines are not stored


class FileHistory(History):
    """A file of lines, each a JSON string, the newest last; several clients may add to it at once.

    Args:
        server: the server that the lines were typed for.
        report: called with the error if the file cannot be used; the history is then that of this visit.

    Attributes:
        path: the path of the file.
    """

    def __init__(self, server: Address, report: Callable[[InputError], None]) -> None:
        super().__init__()
        self._report = report
        self._usable = True
        directory = Path(files.state_directory(), "history")
        self.path = files.migrate(*(str(directory / files.file_name(name)) for name in files.server_names(server)))

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines without repetitions, the newest first."""
        try:
            written = (files.read(self.path) or "").split("\n")
            if len(written) > 2 * LINES:
                written = written[-LINES - 1 :]
                files.atomic_write(self.path, "\n".join(written))
        except InputError as error:
            self._give_up(error)
            return []
        return list(dict.fromkeys(line for text in reversed(written) if (line := _line(text))))[:LINES]

    def store_string(self, string: str) -> None:
        """Add a line to the file, unless it is too long or not valid text."""
        if not self._usable or not is_text(string) or len(string) > _LONGEST:
            return
        try:
            files.create(self.path, "")
            files.append_line(self.path, msgspec.json.encode(string).decode())
        except InputError as error:
            self._give_up(error)

    def _give_up(self, error: InputError) -> None:
        self._usable = False
        self._report(error)


def _line(text: str) -> str:
    """Return a line of the file decoded; empty if it is damaged."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError:
        return ""


def is_browsing(buffer: Buffer) -> bool:
    """Return whether the input line shows an earlier line, unchanged."""
    return (
        buffer.working_index < len(buffer._working_lines) - 1  # noqa: SLF001 (there is no public length)
        and buffer.text in buffer.history.get_strings()
    )


def draft(buffer: Buffer) -> str:
    """Return the text that the user was typing: while they browse earlier lines, it is not the one shown."""
    return buffer._working_lines[-1] if is_browsing(buffer) else buffer.text  # noqa: SLF001 (no public access)


def stop_browsing(buffer: Buffer) -> None:
    """Show the draft again instead of an earlier line."""
    if is_browsing(buffer):
        buffer.go_to_history(len(buffer._working_lines) - 1)  # noqa: SLF001 (there is no public length)
        buffer.cursor_position = len(buffer.text)
