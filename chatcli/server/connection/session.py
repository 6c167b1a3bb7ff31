"""A session: the protocol's state on one connection, and the frames that are processed in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from chatcli.errors import ChatError, Refused
from chatcli.protocol import codes, states
from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame, encode, encode_all
from chatcli.protocol.states import State
from chatcli.server import refusals
from chatcli.server.connection.deadlines import Deadlines
from chatcli.server.connection.flow_control import Pause
from chatcli.server.connection.input import FrameQueue, FrameSource
from chatcli.server.connection.login import Login
from chatcli.server.connection.opening import NO_HELLO, Opening
from chatcli.server.connection.output import OutputBuffer
from chatcli.server.security import scopes
from chatcli.server.security.account import Account
from chatcli.server.security.prices import LISTED, REFUSED, SHARE, WASTE

if TYPE_CHECKING:
    from chatcli.server.feed import Feed
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.model import Token, User

_SILENT: Final = 0.6  # of the allowed silence; clients send something every quarter of it
_FORGIVENESS: Final = 10  # seconds after which one bad line is forgiven
_ENTRY_OVERHEAD: Final = 200  # bytes of a message beside its text, about
ROSTER: Final = 100  # people in the list that replaces notices of presence that were dropped


class Session:
    """One connection that speaks the protocol.

    Args:
        hub: the hub that it belongs to.
        handlers: the handler of each frame that a client may send once it is logged in.
        opening: the connection until now, whose wire, age, account and reasons not to read the session inherits.

    Attributes:
        peer: the address at the other end.
        caller: the address under which the limits of each address count.
        channel: what the client's proof is bound to, see :class:`chatcli.protocol.keys.Claim`; None where no key can be
            proved.
        owns_page: tells whether pages of an origin are the server's own; None if no page of a browser has opened it.
        client: which start of which client this is, as the client says.
        key: the public key that the client has proved.
        purpose: what the connection is for.
        shares_receipts: whether others learn what the user has read on this connection.
        revision: the newest revision of the protocol that the client knows.
        user: the user who is logged in; None before the welcome, and on a nameless query.
        token: the token in place of a key; None for a key.
        only: the conversations to which the feed is limited besides, as :attr:`places`; None for no further limit.
        feed: the feed of messages, if the purpose includes one.
        deadlines: learn from the reader of frames that the client has sent something.
        leaving: whether the connection is closed as soon as everything is answered.
    """

    __slots__ = (
        "_account", "_handlers", "_input", "_login", "_state", "attached", "caller", "channel", "client", "deadlines",
        "feed", "flow", "hub", "key", "leaving", "only", "output", "owns_page", "peer", "purpose", "revision",
        "shares_receipts", "token", "user",
    )  # fmt: skip

    def __init__(self, hub: Hub, handlers: Mapping[type, Handler], opening: Opening) -> None:
        self.hub = hub
        self.peer = opening.peer
        self.caller = opening.caller
        self.channel = opening.channel
        self.owns_page = opening.owns_page
        self.client = ""
        self.attached = False
        self.key = b""
        self.purpose: f.Purpose = "query"
        self.shares_receipts = True
        self.revision = 0
        self.user: User | None = None
        self.token: Token | None = None
        self.only: frozenset[int] | None = None
        self.feed: Feed | None = None
        self.leaving = False
        self.output = OutputBuffer(opening.wire, hub.batcher, self, hub.limits.unsent)
        self.flow = opening.flow
        self.output.full = self.flow.paused and Pause.UNSENT in self.flow
        self._handlers = handlers
        self._state = State.GREETING
        self._account = opening.pass_account(self)  # made when there is something to pay, dropped once all is paid
        self._input = FrameQueue(self)
        self._login: Login | None = Login(self)
        self.deadlines = Deadlines(opening.age)

    def __str__(self) -> str:
        return f"{self.user.name} ({self.purpose}, {self.peer})" if self.user is not None else str(self.peer)

    @property
    def session(self) -> Session:
        """Itself: the connection has one."""
        return self

    @property
    def account(self) -> Account:
        """The account of the connection."""
        if self._account is None:
            self._account = Account(self, self.hub.rate_limits)
        return self._account

    @property
    def places(self) -> frozenset[int] | None:
        """The conversations that its feed has, by the ids of the other users and of the rooms; None for all."""
        places = None if self.token is None else self.token.places
        return places if self.only is None else self.only if places is None else self.only & places

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""
        return self._state is State.CLOSED

    @property
    def welcomed(self) -> bool:
        """Whether the client is logged in."""
        return self._state is State.READY

    @property
    def silent(self) -> bool:
        """Whether the client has missed several of its pings."""
        return self.deadlines.elapsed > self.hub.limits.silence * _SILENT

    @property
    def backlog(self) -> bool:
        """Whether frames have yet to be processed, for which reading is paused."""
        return bool(self._input.frames)

    # What the reader of frames calls

    def read_from(self, source: FrameSource) -> None:
        """Get frames from a source, which has more of them while it has bytes that are not decoded."""
        self._input.source = source

    def receive_frames(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Process frames from the client, after those that wait already."""
        self._input.receive(frames)

    def read_on(self) -> None:
        """Have the source pass on the frames in its next portion, and the rest in the ticks to come."""
        self._input.read_on()

    def pay_for_waste(self, size: int) -> None:
        """Pay for bytes of TLS that carried nothing."""
        self.account.charge(size / WASTE)

    def finished(self) -> None:
        """Answer what is open, then close: the client sends nothing more."""
        self._leave()

    def pause_writing(self) -> None:
        """Stop the feed: the socket is full."""
        self.output.full = True
        self.flow.pause(Pause.UNSENT)
        if self.feed is not None:
            self.feed.pause()

    def resume_writing(self) -> None:
        """Resume the feed: the socket takes more."""
        if self.welcomed:
            self.deadlines.elapsed = 0.0
        self.output.full = self.output.closed
        self.flow.resume(Pause.UNSENT)
        if self.feed is not None:
            self.feed.resume()
        if self.output.dropped:
            self.output.wake()
        self.resume()

    def lost(self) -> None:
        """Forget the connection, which is gone."""
        self._state = State.CLOSED  # whatever it was: no frame says so
        self._stop()
        self.output.clear()
        self.hub.forget(self)

    # What is sent

    def send(self, line: bytes) -> None:
        """Send a line at the end of this tick."""
        self.output.send(line)

    def try_send(self, line: bytes) -> bool:
        """Send a line unless too much is unsent already; return whether it will be sent."""
        return self.output.try_send(line)

    def send_droppable(self, line: bytes) -> None:
        """Send a line about presence or a position; if it has to be dropped, the present state follows later."""
        self.output.send_droppable(line)

    def flush(self) -> None:
        """Write what is buffered, and go on with what had to wait for that."""
        output, feed = self.output, self.feed
        output.write()
        if output.full:
            if feed is not None:
                feed.pause()
            self.resume()
            return
        if output.dropped:
            output.dropped = False
            self._send_present_state()
        if feed is not None:
            feed.resume()
        if self.leaving or self._input.waiting:
            self.resume()

    def _send_present_state(self) -> None:
        """Send what replaces notices that were dropped: who is here, and the positions of the user."""
        if self.purpose == "join":
            self.send(self.hub.presence.list_some(0, ROSTER, self.user))
        if self.user is not None and self.feed is not None and self.feed in self.user.feeds:
            self.account.charge(len(self.user.reads) * LISTED)
            positions = self.hub.read_positions(self.user) if self.revision >= 1 else []
            self.send(encode_all([f.Read(self.user.read), *(f.Read(one.seq, one.of, back=True) for one in positions)]))

    # What is processed

    def dispatch(self, frame: f.ClientFrame | BadFrame) -> None:
        """Process one frame."""
        if isinstance(frame, BadFrame):
            self._reject(frame)
            return
        kind = type(frame)
        try:
            if kind not in states.FROM_CLIENT[self._state]:
                raise self._unexpected(kind)
            if kind is f.Bye:
                self._input.finish()
                self._leave()
            elif self._login is not None:
                self._login.receive(frame)
            else:
                if self.token is not None:
                    self._check_token(self.token, frame)
                self._handlers[kind](self, frame)
        except Refused as refusal:
            self.refuse(frame, refusal)

    def _check_token(self, token: Token, frame: f.ClientFrame) -> None:
        """Raise unless the token permits a frame.

        Raises:
            Refused: it does not.
        """

        def find(frame: f.ClientFrame, name: str) -> int | None:
            return self.hub.place_of(name, released=isinstance(frame, (f.History, f.MarkRead)))

        scopes.check(token, frame, self.hub.clock(), find)

    def refuse(self, frame: f.ClientFrame, refusal: Refused) -> None:
        """Answer a frame with the reason why it is refused."""
        self.account.charge(REFUSED)
        self.send(self._refusal(frame, refusal))
        if self._state is State.GREETING:
            self._count_bad()

    def _refusal(self, frame: f.ClientFrame, refusal: Refused) -> bytes:
        self.hub.counts.refused[refusal.code] += 1
        return refusals.error_line(frame, refusal)

    def _unexpected(self, kind: type) -> Refused:
        if self._state is not State.READY:
            return Refused(codes.UNEXPECTED, "Say hello first, and prove your key.")
        return Refused(codes.UNEXPECTED, f"{kind.__name__} is not allowed after the welcome.")

    def _reject(self, frame: BadFrame) -> None:
        self.hub.counts.refused[frame.code] += 1
        self.send(encode(f.Error(frame.code, frame.text, frame.id, frame.n)))
        self._count_bad()

    def _count_bad(self) -> None:
        self.deadlines.bad_frames += 1
        if self.deadlines.bad_frames >= self.hub.limits.bad_frames:
            self.close(codes.MALFORMED, "Too many invalid lines: the server closes the connection.")

    def move(self, kind: type[f.ServerFrame]) -> None:
        """Move to the state to which sending a frame of this kind leads."""
        self._state = states.FROM_SERVER[self._state][kind]

    def welcome(self, feed: Feed | None) -> None:
        """Serve the client from now on."""
        self._login = None
        self.deadlines.elapsed = 0.0
        self.feed = feed
        if feed is not None:
            feed.resume()
        self.account.open()

    def resume(self) -> None:
        """Process what waits, and close the connection if it was waiting for that."""
        self._input.resume()
        if self.leaving:
            self._leave()

    # What handlers call

    def require_user(self) -> User:
        """Return the user.

        Raises:
            Refused: the connection has none.
        """
        if self.user is None:
            raise Refused(codes.NOT_ALLOWED, "That needs a name; say hello with one.")
        return self.user

    def charge(self, size: int, count: int = 1, reach: int = 0) -> None:
        """Count messages that are on their way into the log, until they are acknowledged.

        Args:
            size: characters of all texts together.
            count: how many messages there are.
            reach: connections that each of them is delivered to, if it goes to a room.
        """
        hub = self.hub
        self.flow.charge(size + count * _ENTRY_OVERHEAD, crowded=hub.log.pending_bytes > hub.limits.pending)
        self.account.charge_messages(count * (1 + reach // SHARE))

    def acknowledge(self, answer: bytes, size: int, count: int) -> None:
        """Answer messages that were charged."""
        self.output.send(answer)
        self.flow.acknowledge(size + count * _ENTRY_OVERHEAD)
        if self.leaving:
            self._leave()

    def suspend(self) -> bool:
        """Stop processing frames until a request is answered; return whether messages are still being written."""
        writing = self.flow.in_flight > 0
        self.flow.in_flight += _ENTRY_OVERHEAD
        self.flow.pause(Pause.SUSPENDED)
        return writing

    def answer(self, frame: f.ClientFrame, answer: f.ServerFrame | bytes | ChatError) -> None:
        """Answer the request for which the connection was suspended, and process frames again.

        Args:
            frame: the request.
            answer: a frame, an encoded one, or the error in place of one.
        """
        if isinstance(answer, ChatError):
            self.account.charge(REFUSED)
            answer = self._refusal(frame, refusals.as_refusal(answer))
        elif not isinstance(answer, bytes):
            answer = encode(answer)
        self.flow.resume(Pause.SUSPENDED)
        self.send(answer)
        self.flow.acknowledge(_ENTRY_OVERHEAD)
        self.resume()

    def resume_charged(self, size: int, reach: int) -> None:
        """Process frames again, after a suspended message that is charged now."""
        self.flow.in_flight -= _ENTRY_OVERHEAD
        self.charge(size, 1, reach)
        self.flow.resume(Pause.SUSPENDED)
        self.resume()

    def retry(self, frame: f.ClientFrame) -> None:
        """Process the frame for which the connection was suspended as if it came now."""
        self.flow.in_flight -= _ENTRY_OVERHEAD
        self.flow.resume(Pause.SUSPENDED)
        self.dispatch(frame)
        self.resume()

    def hold(self) -> None:
        """Process nothing from the client until it can pay."""
        self.flow.pause(Pause.ALLOWANCE)

    def release(self) -> None:
        """Process what the client sends again: it can pay."""
        self.flow.resume(Pause.ALLOWANCE)
        self.resume()

    # How it ends

    def stop_reading(self) -> None:
        """Process nothing more from the client: the server is about to stop."""
        self.flow.pause(Pause.STOPPING)

    def _leave(self) -> None:
        """Say goodbye once everything is answered; disappear from the lists at once."""
        self.hub.forget(self)
        self.leaving = bool(self.flow.in_flight or self._input.waiting or Pause.SUSPENDED in self.flow)
        if not self.leaving:
            self.close(codes.LEFT, "Goodbye.")

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""
        if self.closed:
            return
        self.send(encode(f.ServerBye(code, text)))
        self.hub.forget(self)
        self.move(f.ServerBye)
        self._stop()
        self.deadlines.elapsed = 0.0
        self.output.close()

    def _stop(self) -> None:
        self.leaving = False
        self._input.finish()
        self.output.stop()
        self.flow.close()

    def abort(self) -> None:
        """Close at once, without sending what is unsent."""
        self.output.abort()

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        if self._account is not None and self._account.reset():
            self._account = None
        deadlines, limits = self.deadlines, self.hub.limits
        ready = self._state is State.READY
        # A client that is not read because it has sent too much is not silent.
        unread = self.flow.paused and Pause.ALLOWANCE in self.flow and not self.output.full
        deadlines.tick(seconds, _FORGIVENESS, alive=ready and (deadlines.received or unread))
        if ready:
            if self.output.full:
                deadlines.record_progress(self.output.unwritten)
            if deadlines.elapsed > (limits.stalled if self.flow.paused else limits.silence):
                self.close(codes.TIMEOUT, "The connection was silent for too long.")
        elif self._state is State.CLOSED:
            if deadlines.elapsed > limits.closing:
                self.output.abort()
        elif deadlines.elapsed > limits.handshake:
            self.close(codes.TIMEOUT, NO_HELLO.format(limits.handshake))
