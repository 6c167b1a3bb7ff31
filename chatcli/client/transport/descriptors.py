"""Reads and writes descriptors that may be non-blocking, as any process that shares one can make it so for all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
from collections.abc import Iterator
from typing import Final

_LOCAL_MODES: Final = 3  # the index among a terminal's attributes


def read(descriptor: int, size: int) -> bytes:
    """Return the next bytes, at most ``size``; none at the end.

    Raises:
        OSError: the descriptor cannot be read.
    """
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            wait(descriptor, writing=False)


def readable(descriptor: int, seconds: float) -> bool:
    """Return whether there is something to read, or the end, within some seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def read_unfinished_line(descriptor: int) -> bytes:
    """Return the unfinished line on a terminal that edits lines itself; it cannot be edited any more."""
    try:
        attributes = termios.tcgetattr(descriptor)
        as_keys = [*attributes]
        as_keys[_LOCAL_MODES] &= ~termios.ICANON  # in this mode not only whole lines can be read
        termios.tcsetattr(descriptor, termios.TCSANOW, as_keys)
        try:
            size = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(struct.calcsize("i"))))[0]
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        return os.read(descriptor, size) if size else b""
    except (OSError, termios.error):  # not a terminal, or it was closed
        return b""


def wait(descriptor: int, *, writing: bool) -> None:
    """Wait until a descriptor can be read or written, or its other end is closed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    poll.poll()


@contextlib.contextmanager
def blocking(descriptor: int) -> Iterator[int]:
    """Yield a blocking descriptor for writing, for a program that expects one: the same descriptor if it is blocking.

    It is opened again, as changing it would change it for all processes that share it. A descriptor that cannot be
    opened again, such as a socket, is yielded as it is.
    """
    opened = None
    if not os.get_blocking(descriptor):
        with contextlib.suppress(OSError):
            opened = os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    try:
        yield descriptor if opened is None else opened
    finally:
        if opened is not None:
            os.close(opened)
