"""Runs the program within the tests' process, as fast as a call."""

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
        patch.setattr(sinks, "_STDOUT", out.fileno())  # listen bypasses Python's stream
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
    """Yield the reading end of a pipe with the data."""
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
    """Restore the signal handlers that a command has set for its cleanup."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)
