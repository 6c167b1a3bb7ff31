"""The program without a process of its own: as fast as a call, and its output in hand."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from chatcli.cli import main


def run_here(*arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, as :func:`tests.support.chatcli` does, within this process."""
    streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", write_through=True) for data in (stdin, b"", b"")]
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["chatcli", *arguments])
        for name, value in env.items():
            patch.setenv(name, value)
        status = main._run()
    out, err = (bytes(stream.buffer.getvalue()).decode() for stream in streams[1:])
    return subprocess.CompletedProcess(arguments, status, out, err)
