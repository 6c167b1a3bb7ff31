"""Starts processes of ours that end with the one that starts them, and import what it imports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

_PATIENCE: Final = 10.0  # seconds for a process to end when it is asked to


@contextlib.contextmanager
def running(module: str, arguments: Sequence[str], **streams: IO[Any] | int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module as a process, and yield it; it is gone when the block ends, however it does."""
    # Where modules are found is said in full: the current directory may be anybody's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATCLI_SERVE_")}
    environment["PYTHONPATH"] = os.pathsep.join(os.path.realpath(place) for place in sys.path)
    command = [sys.executable, "-P", "-m", module, *arguments]
    with running_command(command, env=environment, **streams) as process:
        yield process


@contextlib.contextmanager
def running_command(
    command: Sequence[str],
    env: dict[str, str] | None = None,
    **streams: Any,  # noqa: ANN401 (as Popen has them)
) -> Iterator[subprocess.Popen[bytes]]:
    """Do the same with any command."""
    # In a session of its own: Ctrl-C on the terminal reaches only the process that was asked for.
    process = subprocess.Popen(command, env=env, start_new_session=True, **streams)  # noqa: S603 (our own)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and end it if it does not."""
    process.terminate()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
