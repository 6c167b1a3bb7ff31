"""What a server logs: written when it can be, and counted when it cannot."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from chatcli.cli.output.server_log import LogOutput
from tests.support import DEADLINE, eventually


def test_what_cannot_be_held_is_counted_and_said_later() -> None:
    """Once somebody reads again: what was held comes first, in its order, and whole."""
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
    assert whole == lines[: len(whole)]
    assert last == f"{len(lines) - len(whole)} log lines could not be written."
    assert len(whole) < len(lines)


def test_a_full_disk_is_told_of_once_there_is_room(tmp_path: Path) -> None:
    """What was torn apart by it spoils no line after it."""
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


def test_a_pipe_that_is_full_and_does_not_block_is_waited_for() -> None:
    """Whoever shares standard error may have made it so."""
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
