"""The program without a process of its own: as fast as a call, and its output in hand."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from chatcli.cli import main

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _same_handlers() -> Iterator[None]:
    """Restore the handlers of signals that a command has set to clear away when it is ended."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_here(*arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, as :func:`tests.support.chatcli` does, within this process."""
    streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", write_through=True) for data in (stdin, b"", b"")]
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["chatcli", *arguments])
        for name, value in env.items():
            patch.setenv(name, value)
        with _same_handlers():
            status = main._run()
    out, err = (bytes(stream.buffer.getvalue()).decode() for stream in streams[1:])
    return subprocess.CompletedProcess(arguments, status, out, err)
