"""Has what a client sends processed in portions, so that the other clients are served in between."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame
from chatcli.server.connection.flow_control import Pause
from chatcli.server.handlers.messages import accept_plain
from chatcli.server.hub import HubConnection
from chatcli.server.security.prices import price

if TYPE_CHECKING:
    from chatcli.server.connection.flow_control import FlowControl
    from chatcli.server.connection.output import OutputBuffer
    from chatcli.server.security.account import Account

_LIGHT: Final = (f.Send, f.Ack, f.Ping, BadFrame)  # several of these may be processed in one tick
_POINTS_PER_TICK: Final = 50.0  # after which the others are served, see chatcli.server.security.prices


class Processor(HubConnection, Protocol):
    """The session, as its queue of frames sees it."""

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


class FrameSource(Protocol):
    """The reader of a format, which may have more frames in bytes that are not decoded yet.

    Attributes:
        unread: these bytes.
    """

    unread: bytes

    def read(self) -> None:
        """Pass on the frames in the next portion of them."""

    def stop(self) -> None:
        """Read nothing more."""


class _Stage(enum.Enum):
    """Whether frames are processed."""

    OPEN = "open"
    PROCESSING = "processing"  # at this moment
    FINISHED = "finished"


# Each of these costs a tenth of a microsecond where it is looked up in the class.
_OPEN: Final = _Stage.OPEN
_PROCESSING: Final = _Stage.PROCESSING
_FINISHED: Final = _Stage.FINISHED


class FrameQueue:
    """Frames that have been received, in order.

    Args:
        session: processes the frames.

    Attributes:
        frames: those that have yet to be processed.
        source: the reader that the frames come from; None if it passes on all of them at once.
    """

    __slots__ = ("_session", "_stage", "frames", "source")

    def __init__(self, session: Processor) -> None:
        self._session = session
        self.frames: list[f.ClientFrame | BadFrame] | None = None
        self._stage: _Stage = _OPEN
        self.source: FrameSource | None = None

    @property
    def waiting(self) -> bool:
        """Whether frames have yet to be processed, or bytes to be decoded."""
        return bool(self.frames or (self.source is not None and self.source.unread))

    def receive(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Process frames from the client, after those that wait already."""
        if self._stage is _FINISHED:
            return
        if self.frames:
            self.frames += frames
            return
        self._process(frames)
        if self.frames:
            self._hold_rest()

    def resume(self) -> None:
        """Process what waits, unless that is still not possible."""
        session = self._session
        # A frame that is being processed may be what everything waited for, such as a proof. The rest comes after it.
        if self._stage is _PROCESSING:
            return
        if not self.waiting or session.flow.blocked or session.output.overfull:
            return
        frames, self.frames = self.frames, None
        if frames:
            self._process(frames)
            self._hold_rest()
        else:
            self.read_on()

    def read_on(self) -> None:
        """Have the source pass on the frames in its next portion, and hold the rest."""
        if self.source is not None:
            self.source.read()
        self._hold_rest()

    def finish(self) -> None:
        """Drop what waits, and ignore what comes: the client has said goodbye, or the connection is closed."""
        self._stage = _FINISHED
        self.frames = None
        if self.source is not None:
            self.source.stop()

    def _process(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Process frames until the output is full, the connection is blocked, or others are to be served."""
        session = self._session
        account, flow, output = session.account, session.flow, session.output
        account.spent = 0.0
        index = 0
        self._stage = _PROCESSING
        try:
            while index < len(frames) and self._stage is _PROCESSING:
                if (
                    flow.blocked
                    or output.size > output.limit
                    or (output.full and output.overfull)
                    or account.spent > _POINTS_PER_TICK
                ):
                    self.frames = frames[index:]
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
        finally:
            if self._stage is _PROCESSING:
                self._stage = _OPEN

    def _hold_rest(self) -> None:
        if self.waiting:
            self._session.flow.pause(Pause.BACKLOG)
            self._session.output.wake()
        else:
            self._session.flow.resume(Pause.BACKLOG)
