"""The client's end of a connection as bytes in and frames out, without a socket or a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from chatcli.errors import ProtocolError, ServerNotTrusted
from chatcli.protocol import states
from chatcli.protocol.codec import BadFrame, FrameReader, encode, encode_all, server_frames
from chatcli.protocol.frames import (
    MAX_FRAME,
    MAX_TEXT,
    Challenge,
    ClientFrame,
    Hello,
    Limits,
    Prove,
    ServerFrame,
    Welcome,
)
from chatcli.protocol.keys import NONCE_BYTES, PLAIN, Claim, key_bytes, key_text, signed_bytes
from chatcli.protocol.states import FROM_CLIENT, FROM_SERVER, State

if TYPE_CHECKING:
    from chatcli.protocol.keys import Channel

#: Bytes of the longest line that a client accepts: a server may list many people in one.
MAX_LINE: Final = 16 * 1024 * 1024
_SILENCE: Final = 60  # seconds, until the server announces its own limit


class Signer(Protocol):
    """A key that can sign."""

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature of the data, 64 bytes."""


class ClientConnection:
    """One connection of a client, from the hello to the goodbye.

    The caller writes what :meth:`send` returns, and passes what it reads to :meth:`receive`. A challenge is answered
    within: the proof is part of the next bytes to write, so that a request can follow it without a round trip.

    Args:
        server: the server, for error messages.
        signer: proves the key that the hello announces; None if it announces none.
        channel: what the proof is bound to.

    Attributes:
        state: how far the server has let the client in, by :data:`chatcli.protocol.states.FROM_SERVER`.
        welcome: the server's welcome; None until it has come.
        limits: what the server accepts; the protocol's own limits until the welcome.
        server_key: the fingerprint of the key that the server claims; empty where nothing had to be proved.
    """

    __slots__ = (
        "_failure", "_hello", "_pending", "_reader", "_sending", "_server", "_signer", "channel", "limits",
        "server_key", "state", "welcome",
    )  # fmt: skip

    def __init__(self, server: object, signer: Signer | None, channel: Channel = PLAIN) -> None:
        self.state = State.GREETING
        self.welcome: Welcome | None = None
        self.limits = Limits(MAX_TEXT, MAX_FRAME, _SILENCE)
        self.server_key = ""
        self.channel = channel
        self._server = server
        self._signer = signer
        self._reader = FrameReader[ServerFrame](server_frames(), MAX_LINE)
        #: By FROM_CLIENT, and ahead of ``state``: the client need not wait for the welcome.
        self._sending = State.GREETING
        self._hello = Hello(0)
        self._pending = b""  # the proof
        self._failure: ProtocolError | ServerNotTrusted | None = None

    def send(self, *frames: ClientFrame) -> bytes:
        """Return the bytes to write in order to send these frames, after what is pending.

        Nothing can be sent after a goodbye: such frames are dropped, as if the connection had broken.

        Raises:
            ValueError: a frame may not be sent in this state.
        """
        if State.CLOSED in (self._sending, self.state):
            return b""
        for frame in frames:
            following = states.after(FROM_CLIENT, self._sending, type(frame))
            if following is None:
                raise ValueError(f"{type(frame).__name__} may not be sent while {self._sending.value}")
            self._sending = following
            if isinstance(frame, Hello):
                self._hello = frame
        pending, self._pending = self._pending, b""
        return pending + encode_all(frames)

    def receive(self, data: bytes) -> list[ServerFrame]:
        """Return the frames that the data completes, in order.

        Frames that precede an invalid one are returned; :meth:`check` and the next call raise the error.

        Raises:
            ProtocolError: the other end does not speak the protocol.
            ServerNotTrusted: the server claims another key than that of the certificate it has shown.
        """
        self.check()
        frames: list[ServerFrame] = []
        for frame in self._reader.feed(data):
            following = states.after(FROM_SERVER, self.state, type(frame))
            try:
                if not (following is self.state is State.READY):
                    self._change_state(frame, following)
            except (ProtocolError, ServerNotTrusted) as error:
                self._failure = error
                break
            frames.append(frame)  # type: ignore[arg-type]  # a BadFrame is in no row of the table
        if not frames:
            self.check()
        return frames

    def check(self) -> None:
        """Raise the error that follows the frames returned last, if there is one; to be called before waiting for more.

        Raises:
            ProtocolError, ServerNotTrusted: as :meth:`receive`.
        """
        if self._failure is not None:
            raise self._failure

    @property
    def pending(self) -> bool:
        """Whether :meth:`send` returns something even without frames."""
        return bool(self._pending)

    @property
    def ping_interval(self) -> float:
        """The longest time without sending anything, in seconds: so that the server's pong comes in time, too."""
        return self.limits.silence / 3

    def needs_ping(self, idle: float) -> bool:
        """Return whether a ping is due.

        Args:
            idle: seconds since something was sent.
        """
        return self.welcome is not None and self.state is self._sending is State.READY and idle >= self.ping_interval

    def fits(self, frame: ClientFrame) -> bool:
        """Return whether a frame is as short as the server requires."""
        return len(encode(frame)) <= self.limits.frame

    def _change_state(self, frame: ServerFrame | BadFrame, following: State | None) -> None:
        """Follow a frame that logs in, ends the connection, or is not legal.

        Raises:
            ProtocolError, ServerNotTrusted: as :meth:`receive`.
        """
        if isinstance(frame, BadFrame):
            raise ProtocolError(f"What answers at {self._server} is not a chatcli server: check the port.")
        if following is None:
            raise ProtocolError(f"{self._server} sent a frame out of turn: is it a chatcli server?")
        if isinstance(frame, Challenge):
            self.server_key = frame.key
            self._pending = encode(self._prove(frame))
            self._sending = State.READY
        elif isinstance(frame, Welcome):
            self.welcome, self.limits = frame, frame.limits
            self._sending = State.READY
        elif following is State.GREETING:  # refused: the client may try another hello
            self._sending = State.GREETING
        self.state = following

    def _prove(self, challenge: Challenge) -> Prove:
        if self.channel.server_key and self.channel.server_key != challenge.key:
            raise ServerNotTrusted(
                "The server claims another key than it shows: something is in between, or TLS ends before the server. "
                "Ask its operator."
            )
        try:
            nonce = key_bytes(challenge.nonce, NONCE_BYTES)
        except ValueError:
            raise ProtocolError(f"The challenge of {self._server} cannot be read: is it a chatcli server?") from None
        if self._signer is None:
            raise ProtocolError(f"{self._server} asks for the proof of a key, though none was announced to it.")
        hello = self._hello
        claim = Claim(
            version=hello.version,
            server_key=challenge.key,
            nonce=nonce,
            user=hello.user,
            purpose=hello.purpose,
            channel=self.channel.binding,
        )
        return Prove(key_text(self._signer.sign(signed_bytes(claim))))
