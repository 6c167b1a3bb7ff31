"""Has the user's own editor write a text."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.text import printable_line

_USUAL: Final = ("sensible-editor", "editor", "nano", "vi")  # the first that is there, where none is named
_NAME_ONE: Final = "name one that can be run in $VISUAL or $EDITOR."


async def edit(text: str) -> str:
    """Return the text as it is when the editor has ended; the terminal must be in its usual state.

    Raises:
        InputError: there is no editor, it failed, or left behind what is no text.
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
        raise InputError("The editor has left behind what is not text in UTF-8: the line is as it was.") from None
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
