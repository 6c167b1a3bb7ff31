"""Reads the lines of a descriptor, in bounded memory, until it ends or is stopped."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from typing import TYPE_CHECKING, Final

from chatcli.client.oneshot.splitter import Line, LineSplitter
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

_CHUNK: Final = 64 * 1024  # bytes read at a time


class LineSource:
    """The lines of an input.

    Args:
        descriptor: the descriptor to read.

    Attributes:
        ended: nothing more is read; the lines that were read may still be wanted.
        error: the failure that ended the input, if it was one.
    """

    def __init__(self, descriptor: int) -> None:
        self.ended = False
        self.error: InputError | None = None
        self._descriptor = descriptor
        self._splitter = LineSplitter()
        self._stopped, self._stop = os.pipe()
        os.set_blocking(self._stop, False)

    @property
    def has_room(self) -> bool:
        """Whether little enough was read and not wanted yet to read on."""
        return len(self._splitter) < _CHUNK

    @property
    def has_replaced(self) -> bool:
        """Whether there were bytes that are not UTF-8, and were replaced."""
        return self._splitter.has_replaced

    def next_line(self) -> Line | None:
        """Return the next line; None if more must be read first, or all were returned."""
        return self._splitter.next_line()

    def set_limits(self, text: int, frame: int) -> None:
        """Set the sizes in bytes from which a line, and a frame with it, is too long."""
        self._splitter.set_limits(text, frame)

    def stop(self) -> None:
        """End the input; may be called by the handler of a signal."""
        with contextlib.suppress(OSError):  # it is over anyway
            os.write(self._stop, b"!")

    def end(self) -> None:
        """End the input: an incomplete line counts as one."""
        self._splitter.end()
        self.ended = True

    def wait(self, seconds: float, connection: Connection | None, *, read: bool) -> bool:
        """Wait for input, a stop or the connection, and read input; return whether the connection has something.

        Args:
            seconds: the longest wait.
            connection: None while there is none.
            read: whether to read input.
        """
        descriptors: list[int | Connection] = [] if self.ended else [self._stopped]
        if read and not self.ended:
            descriptors.append(self._descriptor)
        if connection is not None:
            descriptors.append(connection)
        ready, _, _ = select.select(descriptors, [], [], max(0.0, seconds))
        if self._stopped in ready:
            self.end()
        elif self._descriptor in ready:
            self._read()
        return connection is not None and connection in ready

    def is_complete(self) -> bool:
        """Return whether nobody writes to the input any more, though it was not read to its end."""
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return stat.S_ISREG(os.fstat(self._descriptor).st_mode) or bool(poll.poll(0))

    def close(self) -> None:
        """Close the pipe that stops it; the input stays open."""
        for descriptor in (self._stopped, self._stop):
            os.close(descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:  # another process made it non-blocking, and has read it
            return
        except OSError as error:
            self.error = InputError(f"Standard input cannot be read: {error.strerror or error}.")
            data = b""
        self._splitter.feed(data)
        if not data:
            self.end()
