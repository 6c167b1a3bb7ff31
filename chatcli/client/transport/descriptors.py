"""Waits for descriptors that somebody has made non-blocking: whoever shares one may do that, and it is so for all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
from collections.abc import Iterator
from typing import Final

_LOCAL_MODES: Final = 3  # their place among a terminal's attributes


def read(descriptor: int, size: int) -> bytes:
    """Return what comes next, so many bytes at most; nothing at the end.

    Raises:
        OSError: it cannot be read.
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


def begun(descriptor: int) -> bytes:
    """Return the line that has been begun on a terminal which edits it; what is returned can't be edited any more."""
    try:
        attributes = termios.tcgetattr(descriptor)
        as_keys = [*attributes]
        as_keys[_LOCAL_MODES] &= ~termios.ICANON  # in this mode everything counts, not only whole lines
        termios.tcsetattr(descriptor, termios.TCSANOW, as_keys)
        try:
            size = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(struct.calcsize("i"))))[0]
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        return os.read(descriptor, size) if size else b""
    except (OSError, termios.error):  # no terminal, or it has gone away
        return b""


def wait(descriptor: int, *, writing: bool) -> None:
    """Wait until a descriptor can be read or written, or nobody is at its other end any more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    poll.poll()


@contextlib.contextmanager
def blocking(descriptor: int) -> Iterator[int]:
    """Yield a descriptor to write to for a program that expects a blocking one: the same, where it is one.

    It is opened anew: to change it would change it for everybody who shares it. What cannot be opened, as a socket,
    stays as it is.
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
