"""Starts processes of ours that end with the one that starts them, and import what it imports."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import IO, Any, Final, Self

_PATIENCE: Final = 10.0  # seconds for a process to end when it is asked to
#: Signals that end a command: what is to be gone with it has to be known by then.
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalsHeld:
    """Within the block, notes the signals that end a command; they come at its end, once what began is known.

    A handler that raises would leave alone what is half started. Handlers are replaced, and signals not blocked: a
    process that is started inherits what is blocked. Where a signal is ignored or ends the process by itself, that is
    left as it is.
    """

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in ENDING}
            self._before = {number: handler for number, handler in handlers.items() if callable(handler)}
        try:
            for number in self._before:
                signal.signal(number, self._note)
        except BaseException:  # of a handler that is not replaced yet
            self._restore()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        for number in self._noted:
            signal.raise_signal(number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(number)

    def _restore(self) -> None:
        try:
            while self._before:
                number, handler = next(iter(self._before.items()))
                signal.signal(number, handler)
                del self._before[number]
        finally:
            if self._before:  # a handler that is back has raised
                self._restore()


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
    with contextlib.ExitStack() as stack:
        with SignalsHeld():
            process = subprocess.Popen(command, env=env, start_new_session=True, **streams)  # noqa: S603 (our own)
            stack.callback(end, process)
        yield process


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
