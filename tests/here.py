"""The program without a process of its own: as fast as a call, and its output in hand."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from chatcli.cli import main
from chatcli.cli.listener import sinks

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_here(*arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, as :func:`tests.support.chatcli` does, within this process."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        _pipe(stdin) as source,
        pytest.MonkeyPatch.context() as patch,
        _same_handlers(),
    ):
        wrappers = [io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in (source, out, err)]
        for name, wrapper in zip(("stdin", "stdout", "stderr"), wrappers, strict=True):
            patch.setattr(sys, name, wrapper)
        patch.setattr(sinks, "_STDOUT", out.fileno())  # listen writes past Python's stream
        patch.setattr(sys, "argv", ["chatcli", *arguments])
        for name, value in env.items():
            patch.setenv(name, value)
        status = main._run()
        texts = []
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
            texts.append(stream.read().decode())
        for wrapper in wrappers:
            wrapper.detach()
    return subprocess.CompletedProcess(arguments, status, *texts)


@contextlib.contextmanager
def _pipe(data: bytes) -> Iterator[io.BufferedReader]:
    """Yield the end of a pipe from which the data comes."""
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write, name="standard input")
    thread.start()
    try:
        with os.fdopen(reading, "rb") as file:
            yield file
    finally:
        thread.join()


@contextlib.contextmanager
def _same_handlers() -> Iterator[None]:
    """Restore the handlers of signals that a command has set to clear away when it is ended."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)
