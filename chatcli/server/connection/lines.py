"""Reads our own protocol for a session: JSON, one object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from chatcli.protocol.codec import BadFrame, FrameReader, client_frames
from chatcli.server.security.prices import KIB

if TYPE_CHECKING:
    from chatcli.protocol import frames as f
    from chatcli.server.connection.deadlines import Deadlines
    from chatcli.server.connection.flow_control import FlowControl
    from chatcli.server.limits import Limits
    from chatcli.server.security.account import Account

_PORTION: Final = 32 * 1024  # bytes that are decoded in one tick
_GREETING_PORTION: Final = 4 * 1024  # the same before the welcome


class FrameReceiver(Protocol):
    """The session, as a reader of frames sees it."""

    @property
    def account(self) -> Account:
        """The account that pays for the bytes."""

    @property
    def welcomed(self) -> bool:
        """Whether the client is logged in."""

    @property
    def deadlines(self) -> Deadlines:
        """Learn that the client has sent something, be it a part of a frame."""

    @property
    def flow(self) -> FlowControl:
        """Its flow control."""

    @property
    def backlog(self) -> bool:
        """Whether frames have yet to be processed, for which reading is paused."""

    def receive_frames(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Process frames."""

    def read_on(self) -> None:
        """Have the next portion read, and the rest in the ticks to come."""

    def finished(self) -> None:
        """Process the end of input."""

    def lost(self) -> None:
        """Forget the connection."""


class Lines:
    """Reads the lines of one client: a :class:`~chatcli.server.connection.wire.Receiver` on top of all layers.

    Args:
        session: gets the frames, and pays for the bytes.
        limits: how long lines may be, and how many may be bad.

    Attributes:
        unread: bytes that have come, and are not decoded yet.
    """

    __slots__ = ("_reader", "_session", "unread")

    def __init__(self, session: FrameReceiver, limits: Limits) -> None:
        self._session = session
        self._reader: FrameReader[f.ClientFrame] | None  # None once nothing more is read
        self._reader = FrameReader(client_frames(), limits.frame, limits.bad_frames)
        self.unread = b""

    # What is called from below

    def received(self, data: bytes) -> None:
        """Pass on the frames in bytes from the client, after those that wait already."""
        session = self._session
        session.deadlines.received = True
        if self._reader is None:
            return
        if self.unread or (session.flow.paused and session.backlog):
            self.unread += data
        elif len(data) > _GREETING_PORTION and (len(data) > _PORTION or not session.welcomed):
            self.unread = data
            session.read_on()
        else:
            self._read(data)

    def finished(self) -> None:
        """Pass on the end of input. A line that has not ended does not count."""
        self._session.finished()

    def lost(self) -> None:
        """Pass on that the connection is gone."""
        self._session.lost()

    # What the session calls

    def read(self) -> None:
        """Pass on the frames in the next portion of what is unread."""
        portion = _PORTION if self._session.welcomed else _GREETING_PORTION
        self.unread, data = self.unread[portion:], self.unread[:portion]
        self._read(data)

    def stop(self) -> None:
        """Read nothing more."""
        self._reader = None
        self.unread = b""

    def _read(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            return
        frames = reader.feed(data)
        if len(data) > len(frames) * KIB or reader.blank:
            blank, reader.blank = reader.blank, 0
            self._session.account.charge_read(frames, len(data), blank)
        self._session.receive_frames(frames)
