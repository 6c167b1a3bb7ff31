"""A server's log, with lines written if possible and otherwise counted."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from chatcli.cli.output.server_log import LogOutput
from tests.support import DEADLINE, eventually


def test_dropped_lines_are_counted() -> None:
    """When there is a reader again, buffered lines come first, whole and in order."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    output = LogOutput(writing, held=10_000)
    lines = [f"line {number:03}".ljust(99) for number in range(300)]
    for line in lines:
        output.write(line)
    read = b""
    while b"could not be written" not in read:
        read += os.read(reading, 4096)
    for descriptor in (reading, writing):
        os.close(descriptor)
    *whole, last = read.decode().splitlines()
    assert whole == sorted(set(whole) & set(lines))  # which are lost depends on when the writer begins
    assert last == f"{len(lines) - len(whole)} log lines could not be written."
    assert len(whole) < len(lines)


def test_full_disk(tmp_path: Path) -> None:
    """It is reported once there is space, and a torn line spoils no later one."""
    path = tmp_path / "log"
    with path.open("wb") as file, Path("/dev/full").open("wb", buffering=0) as full:
        output = LogOutput(os.dup(full.fileno()))
        output.write("lost")
        output.write("lost, too")
        output.drain(DEADLINE)
        os.dup2(file.fileno(), output.descriptor)
        output.write("back")
        eventually(lambda: path.read_text() == "back\n2 log lines could not be written.\n", "the file")
        os.close(output.descriptor)


def test_non_blocking_pipe() -> None:
    """A full one is waited for, as another program may have set the mode."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    output = LogOutput(writing)
    output.write("x" * 10_000)
    read = b""
    while not read.endswith(b"\n"):
        read += os.read(reading, 4096)
    assert read == b"x" * 10_000 + b"\n"
    for descriptor in (reading, writing):
        os.close(descriptor)
