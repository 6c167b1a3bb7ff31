"""Runs the user's editor on the text of the input line."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prompt_toolkit.application import get_app, in_terminal

from chatcli.errors import InputError
from chatcli.protocol.values.text import printable_line

_USUAL: Final = ("sensible-editor", "editor", "nano", "vi")  # the first one installed is used if none is named
_NAME_ONE: Final = "name one that can be run in $VISUAL or $EDITOR."


class EditorRun:
    """Gives the terminal to an editor, and takes its text.

    Args:
        set_text: called with the text that the editor has saved.
        closed: called with the error, if there was one, when the terminal is free again.

    Attributes:
        editing_allowed: set unless an editor has the terminal; meanwhile nothing may be drawn.
    """

    def __init__(self, set_text: Callable[[str], None], closed: Callable[[InputError | None], None]) -> None:
        self._set_text = set_text
        self._closed = closed
        self.editing_allowed = asyncio.Event()
        self.editing_allowed.set()

    def start(self, text: str) -> None:
        """Start the editor on a text."""
        self.editing_allowed.clear()  # before the task runs: nothing is drawn in between
        get_app().create_background_task(self._run(text))

    async def _run(self, text: str) -> None:
        failure: InputError | None = None
        try:
            async with in_terminal():
                try:
                    self._set_text(await edit(text))
                except InputError as error:
                    failure = error
                except OSError as error:
                    failure = InputError(f"No editor could be used: {error}.")
        finally:
            self.editing_allowed.set()
        self._closed(failure)


async def edit(text: str) -> str:
    """Return the text that the editor has saved; the terminal must be in its usual state.

    Raises:
        InputError: there is no editor, it failed, or the file is no longer text.
    """
    command = _command()
    descriptor, name = tempfile.mkstemp(prefix="chatcli-", suffix=".txt")  # mode 0600
    os.close(descriptor)
    path = Path(name)
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")  # noqa: ASYNC240 (one small file)
        await _run([*command, name])
        return path.read_text(encoding="utf-8").removesuffix("\n")  # noqa: ASYNC240 (as above)
    except UnicodeDecodeError:
        raise InputError("The editor has saved something that is not text in UTF-8: the line is as it was.") from None
    finally:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 (as above)


def _command() -> list[str]:
    named = os.environ.get("VISUAL", "").strip() or os.environ.get("EDITOR", "").strip()
    try:
        words = shlex.split(named)
    except ValueError:
        raise InputError(f"The editor cannot be started: the quotes in {printable_line(named)} do not match.") from None
    if words:
        return words
    usual = next((name for name in _USUAL if shutil.which(name)), None)
    if usual is None:
        raise InputError(f"There is no editor here: {_NAME_ONE}")
    return [usual]


async def _run(command: list[str]) -> None:
    name = printable_line(command[0])
    # Ctrl-C and Ctrl-\\ are for the editor. Not SIG_IGN: that the editor would inherit, too.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        process = await asyncio.create_subprocess_exec(*command)
        status = await process.wait()
    except OSError as error:
        raise InputError(f'The editor "{name}" cannot be started ({error.strerror}): {_NAME_ONE}') from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status:
        raise InputError(f'The editor "{name}" failed with status {status}: the line is as it was.')
