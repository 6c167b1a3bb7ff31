"""Child processes that end with this one, and import from the same places."""

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
#: The signals that end a command.
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalsHeld:
    """Holds back, within the block, the signals that end a command; they are raised at its end.

    A handler that raises would leave a half-started process behind. Handlers are replaced rather than signals blocked,
    as a child process inherits blocked signals. Signals that are ignored, or have no handler, are left alone.
    """

    def __init__(self) -> None:
        self._held: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in ENDING}
            self._before = {number: handler for number, handler in handlers.items() if callable(handler)}
        try:
            for number in self._before:
                signal.signal(number, self._hold)
        except BaseException:  # raised by a handler that is not replaced yet
            self._restore()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        for number in self._held:
            signal.raise_signal(number)

    def _hold(self, number: int, _frame: FrameType | None) -> None:
        self._held.append(number)

    def _restore(self) -> None:
        try:
            while self._before:
                number, handler = next(iter(self._before.items()))
                signal.signal(number, handler)
                del self._before[number]
        finally:
            if self._before:  # a restored handler has raised
                self._restore()


@contextlib.contextmanager
def running(module: str, arguments: Sequence[str], **streams: IO[Any] | int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module as a child process and yield it; it ends with the block."""
    # All places of modules are named: the current directory may contain anybody's.
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
    """Run a command as a child process and yield it; it ends with the block."""
    # In a session of its own, so that Ctrl-C on the terminal reaches only the parent.
    with contextlib.ExitStack() as stack:
        with SignalsHeld():
            process = subprocess.Popen(command, env=env, start_new_session=True, **streams)  # noqa: S603 (our own)
            stack.callback(end, process)
        yield process


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it does not end in time."""
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
