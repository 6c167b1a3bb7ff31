"""Sessions within requests: frames in, frames out, without lines and without a socket of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chatcli.protocol.codec import FrameReader, server_frames
from chatcli.server.connection.opening import Opening
from chatcli.server.connection.session import Session

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Wire
    from chatcli.server.web.responders import Answering, Listener
    from chatcli.server.web.site import Site


class InnerWire:
    """The wire of a session within a request: a :class:`~chatcli.server.connection.wire.Wire`.

    Args:
        listener: gets the frames.
        connection: carries what the listener makes of them.
    """

    __slots__ = ("_connection", "_ended", "_listener", "_reader")

    def __init__(self, listener: Listener, connection: Answering) -> None:
        self._listener = listener
        self._connection = connection
        self._reader = FrameReader(server_frames(), sys.maxsize)
        self._ended = False

    def write(self, data: bytes) -> None:
        """Pass on the frames in lines."""
        try:
            for frame in self._reader.feed(data):
                self._listener.hear(frame)
        except Exception as error:  # noqa: BLE001 (it is logged there; whoever delivers goes on with the others)
            self._connection.fail(error)

    def pause_reading(self) -> None:
        """Do nothing: frames come from a request, whole."""

    def resume_reading(self) -> None:
        """Do nothing: frames come from a request, whole."""

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the socket has yet to take."""
        return self._connection.unsent

    def close(self) -> None:
        """Pass on that the session has ended."""
        if not self._ended:
            self._ended = True
            self._listener.ended()

    def abort(self) -> None:
        """Pass on that the session has ended."""
        self.close()


def open_session(site: Site, connection: Answering, listener: Listener) -> Session:
    """Return a new session within a request, which expects a ``hello``."""
    return open_on(site, connection, InnerWire(listener, connection))


def open_on(site: Site, connection: Answering, wire: Wire) -> Session:
    """Return a new session within a request, which writes its lines to a wire."""
    outer = connection.opening
    inner = Opening(site.hub, wire, outer.peer, _ignore)
    inner.caller = outer.caller
    inner.channel = None  # a token lets it in, and no key
    return Session(site.hub, site.handlers, inner)


def _ignore(_data: bytes) -> None:
    """Do nothing: nothing comes on this way."""
