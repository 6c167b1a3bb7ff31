"""Decodes what a client sends and has it processed in portions, so that the other clients are served in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame, FrameReader, client_frames
from chatcli.server.connection.flow_control import Pause
from chatcli.server.handlers.messages import accept_plain
from chatcli.server.hub import HubConnection
from chatcli.server.security.prices import KIB, price

if TYPE_CHECKING:
    from chatcli.server.connection.flow_control import FlowControl
    from chatcli.server.connection.output import OutputBuffer
    from chatcli.server.limits import Limits
    from chatcli.server.security.account import Account

_LIGHT: Final = (f.Send, f.Ack, f.Ping, BadFrame)  # several of these may be processed in one tick
_POINTS_PER_TICK: Final = 50.0  # after which the others are served, see chatcli.server.security.prices
_PORTION: Final = 32 * 1024  # bytes that are decoded in one tick
_GREETING_PORTION: Final = 4 * 1024  # the same before the welcome


class Processor(HubConnection, Protocol):
    """The session, as its input buffer sees it."""

    @property
    def account(self) -> Account:
        """The account that pays for the frames."""

    @property
    def flow(self) -> FlowControl:
        """Its flow control."""

    @property
    def output(self) -> OutputBuffer:
        """Its output buffer."""

    @property
    def welcomed(self) -> bool:
        """Whether the client is logged in."""

    def dispatch(self, frame: f.ClientFrame | BadFrame) -> None:
        """Process one frame."""


class InputBuffer:
    """Frames and bytes that have been read, in order.

    Args:
        session: processes the frames.
        limits: how long lines may be, and how many may be bad.
    """

    __slots__ = ("_frames", "_reader", "_session", "_unread")

    def __init__(self, session: Processor, limits: Limits) -> None:
        self._session = session
        self._reader: FrameReader[f.ClientFrame] | None  # None once the client has sent its last frame
        self._reader = FrameReader(client_frames(), limits.frame, limits.bad_frames)
        self._frames: list[f.ClientFrame | BadFrame] | None = None  # decoded, and not processed yet
        self._unread = b""  # not decoded yet

    @property
    def waiting(self) -> bool:
        """Whether something has yet to be processed."""
        return bool(self._frames or self._unread)

    def receive(self, data: bytes) -> None:
        """Process bytes from the client, after those that wait already."""
        if self._reader is None:
            return
        if self._frames or self._unread:
            self._unread += data
        elif len(data) > _GREETING_PORTION and (len(data) > _PORTION or not self._session.welcomed):
            self._unread = data
            self._read_portion()
        else:
            self._read(data)

    def resume(self) -> None:
        """Process what waits, unless that is still not possible."""
        session = self._session
        if not self.waiting or session.flow.blocked or session.output.overfull:
            return
        frames, self._frames = self._frames, None
        if frames:
            self._process(frames)
            self._hold_rest()
        else:
            self._read_portion()

    def finish(self) -> None:
        """Drop what waits, and ignore what comes: the client has said goodbye, or the connection is closed."""
        self._reader = self._frames = None
        self._unread = b""

    def _read_portion(self) -> None:
        portion = _PORTION if self._session.welcomed else _GREETING_PORTION
        self._unread, data = self._unread[portion:], self._unread[:portion]
        self._read(data)
        self._hold_rest()

    def _read(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            return
        frames = reader.feed(data)
        if len(data) > len(frames) * KIB or reader.blank:
            blank, reader.blank = reader.blank, 0
            self._session.account.charge_read(frames, len(data), blank)
        self._process(frames)
        if self._frames:
            self._hold_rest()

    def _process(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Process frames until the output is full, the connection is blocked, or others are to be served."""
        session = self._session
        account, flow, output = session.account, session.flow, session.output
        account.spent = 0.0
        index = 0
        while index < len(frames) and self._reader is not None:
            if (
                flow.blocked
                or output.size > output.limit
                or (output.full and output.overfull)
                or account.spent > _POINTS_PER_TICK
            ):
                self._frames = frames[index:]
                return
            frame = frames[index]
            if type(frame) is f.Send and session.welcomed:
                end = accept_plain(session, frames, index)
                if end > index:
                    index = end
                    continue
            account.charge(price(frame))
            session.dispatch(frame)
            index += 1
            if type(frame) not in _LIGHT:
                # The others are served between two requests, whatever each of them costs.
                account.spent += _POINTS_PER_TICK

    def _hold_rest(self) -> None:
        if self.waiting:
            self._session.flow.pause(Pause.BACKLOG)
            self._session.output.wake()
        else:
            self._session.flow.resume(Pause.BACKLOG)
