"""One connection's state: takes frames, says what the protocol wants said, and gathers what is to be written.

A session knows no sockets: it is given a :class:`Wire`, and bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from chatcli import __version__
from chatcli.errors import ChatError, Refused, StoreError
from chatcli.protocol import codes, states
from chatcli.protocol import frames as f
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, client_frames, encode
from chatcli.protocol.keys import key_text
from chatcli.protocol.states import State
from chatcli.server import refusals
from chatcli.server.handlers import auth, messages
from chatcli.server.handlers.auth import Claimant
from chatcli.server.security.account import Account
from chatcli.server.security.prices import KIB, REFUSED, SHARE, WASTE, price

if TYPE_CHECKING:
    from chatcli.server.feed import Feed
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.limits import Limits
    from chatcli.server.model import User
    from chatcli.server.transport import Wire

logger = logging.getLogger(__name__)

# Why the server does not read from a connection at the moment; any of them is enough.
_UNSENT: Final = 1  # it does not take what it is sent
_IN_FLIGHT: Final = 2  # it has said more than is committed yet
_WAITING: Final = 4  # its name, or what it asked for, is being written or read
_BACKLOG: Final = 16  # it has asked for more than it takes
_STOPPING: Final = 8  # the server is about to stop
_ALLOWANCE: Final = 32  # it, or whose it is, has used up an allowance
_HELD_UP: Final = _WAITING | _UNSENT | _ALLOWANCE  # perhaps no frame is taken, see Session._held_up

_CLOSED: Final = State.CLOSED  # looked up in its class it takes as long as a call, and every delivery asks for it

_LIGHT: Final = (f.Send, f.Ack, f.Ping, BadFrame)  # several of these may be taken in one turn
_POINTS_A_TURN: Final = 50.0  # after which others get theirs, see chatcli.server.security.prices
_PORTION: Final = 32 * 1024  # bytes of one connection that are looked at in one turn
_GREETING_PORTION: Final = 4 * 1024

_SILENT: Final = 0.6  # of the allowed silence; clients say something every quarter of it
_FORGIVING: Final = 10  # seconds after which one bad line is forgotten
_ENTRY_OVERHEAD: Final = 200  # bytes that a message takes beside its text, about
ROSTER: Final = 100  # people of whom someone is told who could not be told of each


class Session:
    """One connection.

    Args:
        hub: the hub that it belongs to.
        handlers: the handler of each frame that a client may send once it is logged in.
        wire: what to write to.
        peer: the other end's address.

    Attributes:
        channel: what the client's proof is bound to, see :class:`chatcli.protocol.keys.Claim`. The listener sets it
            before it passes on the first byte.
        client: which start of which client this is, as it says itself.
        key: the public key that it has proved.
        purpose: what it is for.
        shares_receipts: whether others learn how far it has shown messages.
        user: whose it is, once that is proved.
        feed: what it is told of, if its purpose includes that.
    """

    __slots__ = (
        "_account", "_age", "_backlog", "_bad_frames", "_bye_received", "_claimant", "_handlers", "_heard",
        "_in_flight", "_leaving", "_left", "_out", "_paused", "_quiet", "_reader", "_stale_roster", "_state",
        "_unread", "_unsent", "_wire", "channel", "client", "feed", "hub", "key", "peer", "purpose", "shares_receipts",
        "user",
    )  # fmt: skip

    def __init__(self, hub: Hub, handlers: Mapping[type, Handler], wire: Wire, peer: Address) -> None:
        limits = hub.limits
        self.peer = peer
        self.channel = b""
        self.client = ""
        self.key = b""
        self.user: User | None = None
        self.feed: Feed | None = None
        self.hub = hub
        self._handlers = handlers
        self._wire = wire
        self._reader: FrameReader[f.ClientFrame] = FrameReader(client_frames(), limits.frame, limits.bad_frames)
        self._state = State.GREETING
        self.purpose: f.Purpose = "query"
        self.shares_receipts = True
        self._backlog: list[f.ClientFrame | BadFrame] | None = None  # what came and has to wait
        self._claimant: Claimant | None = None
        self._unread = b""  # what came at once and was too much for one turn
        self._account: Account | None = None  # made when there is something to pay, dropped once all is paid
        self._out: list[bytes] = []
        self._unsent = 0  # bytes in _out
        self._in_flight = 0  # bytes said and not yet committed
        self._paused = 0
        self._leaving = False
        self._bye_received = False  # the client has said goodbye: nothing behind that is taken
        self._stale_roster = False
        self._bad_frames = 0.0  # fewer with time
        self._age = 0.0  # seconds on the way in or out
        self._quiet = 0.0  # seconds without a word, or without taking one
        self._heard = False
        self._left = 0  # bytes that the socket had not taken, when last looked at
        hub.sessions.add(self)

    @property
    def host(self) -> str:
        """The other end's host."""
        return self.peer.host

    @property
    def account(self) -> Account:
        """What it pays from for what it says."""
        if self._account is None:
            self._account = Account(self, self.hub.rate_limits)
        return self._account

    @property
    def closed(self) -> bool:
        """Whether nothing is said any more."""
        return self._state is State.CLOSED

    @property
    def welcomed(self) -> bool:
        """Whether the client is in."""
        return self._state is State.READY

    @property
    def full(self) -> bool:
        """Whether the socket takes no more."""
        return bool(self._paused & _UNSENT)

    @property
    def silent(self) -> bool:
        """Whether the client has missed several of the pings that it should have sent."""
        return self._quiet > self.hub.limits.silence * _SILENT

    def pay_for_waste(self, size: int) -> None:
        """Pay for bytes of TLS that carried nothing."""
        self.account.charge(size / WASTE)

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._heard = True
        if self._unread or self._backlog:
            self._unread += data
        elif len(data) > _GREETING_PORTION and (len(data) > _PORTION or not self.welcomed):
            self._unread = data
            self._read_on()
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        frames = self._reader.feed(data)
        if len(data) > len(frames) * KIB or self._reader.blank:
            blank, self._reader.blank = self._reader.blank, 0
            self.account.charge_read(frames, len(data), blank)
        self._process(frames)
        if self._backlog:
            self._hold_rest()

    def _read_on(self) -> None:
        """Take the next portion of what came at once: the others are to have their turn between two of them."""
        if self.closed or self._bye_received:
            self._unread = b""
            return
        portion = _PORTION if self.welcomed else _GREETING_PORTION
        self._unread, data = self._unread[portion:], self._unread[:portion]
        self._read(data)
        self._hold_rest()

    def _process(self, frames: list[f.ClientFrame | BadFrame]) -> None:
        """Take frames until there is too much to be sent, or the name is being written; keep the rest for then."""
        account, index = self.account, 0
        account.spent = 0.0
        while index < len(frames):
            if self._bye_received:
                return
            if (
                self._unsent > self.hub.limits.unsent
                or (self._paused & _HELD_UP and self._held_up)
                or account.spent > _POINTS_A_TURN
            ):
                self._backlog = frames[index:]
                return
            frame = frames[index]
            if type(frame) is f.Send and self._state is State.READY:
                end = messages.accept_plain(self, frames, index)
                if end > index:
                    index = end
                    continue
            account.charge(price(frame))
            self._dispatch(frame)
            index += 1
            if type(frame) not in _LIGHT:
                # Others get their turn between two questions, whatever each of them costs.
                account.spent += _POINTS_A_TURN

    @property
    def _has_more(self) -> bool:
        """Whether something that came has yet to be taken."""
        return bool(self._backlog or self._unread)

    @property
    def _held_up(self) -> bool:
        """Whether no frame is taken now."""
        # While the socket is full, what was read is taken until too many answers wait: a client that says thousands of
        # messages before it reads the first answer would otherwise wait for itself.
        if self._paused & (_WAITING | _ALLOWANCE):
            return True
        return bool(self._paused & _UNSENT) and self._wire.get_write_buffer_size() > self.hub.limits.unsent

    def _resume_work(self) -> None:
        """Take up what was left when there was too much to be sent, or too much for one turn."""
        if self._has_more and not self._held_up:
            frames, self._backlog = self._backlog, None
            if frames:
                self._process(frames)
            else:
                self._read_on()
            self._hold_rest()
        if self._leaving and not self._has_more and not self._in_flight:
            self._leave()

    def _hold_rest(self) -> None:
        if self._has_more:
            self._pause(_BACKLOG)
            self.wake()
        else:
            self._resume(_BACKLOG)

    def eof_received(self) -> None:
        """Note that the client has said its last word; answer what is open, then close."""
        self._leave()

    def pause_writing(self) -> None:
        """Note that the socket is full."""
        self._pause(_UNSENT)
        if self.feed is not None:
            self.feed.pause()

    def resume_writing(self) -> None:
        """Note that the socket takes more."""
        self._quiet = 0.0
        self._resume(_UNSENT)
        if self.feed is not None:
            self.feed.resume()
        self._resume_work()

    def connection_lost(self) -> None:
        """Note that the connection is gone."""
        self._state = State.CLOSED
        self._out.clear()
        self.hub.sessions.discard(self)
        self.hub.rate_limits.remove_connection(self.host)
        self.hub.leave(self)
        logger.info("%s has gone", self)

    def send(self, line: bytes) -> None:
        """Say a line at the end of this turn."""
        if self._state is _CLOSED:
            return
        if not self._out:
            self.hub.batcher.enqueue(self)
        self._out.append(line)
        self._unsent += len(line)

    def try_send(self, line: bytes) -> bool:
        """Say a line unless too much waits to be sent already; return whether it will be said."""
        if self._unsent > self.hub.limits.unsent or self._paused & _UNSENT or self._state is _CLOSED:
            return False
        # As in put(), without the call: this is the innermost of what is done for every delivery.
        if not self._out:
            self.hub.batcher.enqueue(self)
        self._out.append(line)
        self._unsent += len(line)
        return True

    def send_droppable(self, line: bytes) -> None:
        """Say a line that may be replaced by a roster later: nobody waits for it."""
        if not self.try_send(line):
            self._stale_roster = True

    def wake(self) -> None:
        """See to it that the feed is asked to go on, at the end of this turn."""
        if not self._out:
            self.hub.batcher.enqueue(self)

    def flush(self) -> None:
        """Write what was gathered, in one go."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._unsent = 0
            # A transport may be closed a moment before the session is told; others' output must not suffer for it.
            try:
                self._wire.write(data)
            except RuntimeError:
                pass
            except OSError:  # TLS below has come to a state in which nothing can be said
                self._wire.abort()
        if self._paused & _UNSENT:
            if self.feed is not None:
                self.feed.pause()
            if self._has_more:
                self._resume_work()
            return
        if self._stale_roster:
            self._stale_roster = False
            self.send(self.hub.presence.list_some(0, ROSTER, self.user))
        if self.feed is not None:
            self.feed.resume()
        if self._has_more or self._leaving:
            self._resume_work()

    def _dispatch(self, frame: f.ClientFrame | BadFrame) -> None:
        if isinstance(frame, BadFrame):
            self._bad(frame)
            return
        kind = type(frame)
        following = states.FROM_CLIENT[self._state].get(kind)
        try:
            if following is None:
                self._unexpected(frame)
            else:
                (self._HANDLERS.get(kind) or self._handlers[kind])(self, frame)
        except Refused as refusal:
            self._refuse(frame, refusal)

    def _refuse(self, frame: f.ClientFrame, refusal: Refused) -> None:
        self.account.charge(REFUSED)
        self.send(refusals.error_line(frame, refusal))
        if self._state is State.GREETING:
            self._count_bad()

    def _bad(self, frame: BadFrame) -> None:
        if self._state is State.CLOSED:
            return
        self.send(encode(f.Error(frame.code, frame.text, frame.id, frame.n)))
        self._count_bad()

    def _count_bad(self) -> None:
        self._bad_frames += 1
        if self._bad_frames >= self.hub.limits.bad_frames:
            self.close(codes.MALFORMED, "Too many lines could not be taken; the server gives up.")

    def _unexpected(self, frame: f.ClientFrame) -> None:
        if self._state is State.CLOSED:
            return
        if self._state is not State.READY:
            raise Refused(codes.UNEXPECTED, "Say hello first, and prove your key.")
        raise Refused(codes.UNEXPECTED, f"{type(frame).__name__} makes no sense here.")

    def _hello(self, frame: f.Hello) -> None:
        self._claimant = claimant = auth.challenge(self.hub, self, frame)
        self.purpose = frame.purpose
        self.shares_receipts = frame.receipts
        if claimant is None:
            self._welcome(frame)
        else:
            self._state = State.PROVING
            server = f"chatcli/{__version__}"
            self.send(encode(f.Challenge(key_text(claimant.nonce), server, self.hub.server_key)))

    def _prove(self, frame: f.Prove) -> None:
        claimant, self._claimant = self._claimant, None
        assert claimant is not None  # noqa: S101 (it is set on the way into this state)
        self._state = State.GREETING  # a nonce is good for one try

        def settled(error: StoreError | None) -> None:
            self._settled(claimant.hello, error)

        try:
            self.user, pending = auth.authenticate(self.hub, self, claimant, frame.signature, settled)
        except Refused as refusal:
            if refusal.code == codes.BAD_PROOF:
                self.close(refusal.code, str(refusal))
                return
            raise
        if pending:
            self._pause(_WAITING)
        else:
            self._welcome(claimant.hello)

    def _settled(self, hello: f.Hello, error: StoreError | None) -> None:
        if self.closed:
            return
        self._resume(_WAITING)
        if error is not None:
            refusal = refusals.cannot_write("nobody new can log in")
            self.close(refusal.code, str(refusal))
            return
        try:
            self._welcome(hello)
        except Refused as refusal:
            self.send(refusals.error_line(hello, refusal))
        self._resume_work()

    def _welcome(self, hello: f.Hello) -> None:
        hub, user = self.hub, self.user
        if user is not None and hello.purpose == "join" and not self._leaving:
            self.user = None  # until there is a seat
            auth.register_join(hub, self, user, hello)
            self.user = user
        self._state = State.READY
        self.account.open()
        self._age = 0.0
        limits = f.Limits(hub.limits.text, hub.limits.frame, int(hub.limits.silence))
        cursor = hub.log.head
        if user is not None and hello.purpose in ("join", "listen"):
            self.feed = hub.enter(self, user, hello)
            cursor = self.feed.position
        welcome = f.Welcome("", hub.log.head, cursor, f"chatcli/{__version__}", limits)
        if user is not None:
            user.sessions.add(self)
            welcome.user = user.name
            welcome.rooms = [room.name for room in user.rooms]
            welcome.invited = [room.name for room in hub.invitations.of(user)]
        self.send(encode(welcome))
        if self.feed is not None:
            self.feed.resume()
        if user is not None and hello.purpose == "join" and not self._leaving:
            hub.presence.join(user)
        logger.info("%s is in", self)

    def require_user(self) -> User:
        """Return whose connection it is.

        Raises:
            Refused: nobody's.
        """
        if self.user is None:
            raise Refused(codes.NOT_ALLOWED, "That needs a name; say hello with one.")
        return self.user

    def charge(self, size: int, count: int = 1, reach: int = 0) -> None:
        """Note messages of that size, all together, on their way into the log; acknowledge answers them.

        Args:
            size: of their texts.
            count: how many there are.
            reach: how many connections each of them is handed to, in a room.
        """
        limits = self.hub.limits
        self._in_flight += size + count * _ENTRY_OVERHEAD
        if self._in_flight > limits.in_flight or self.hub.log.pending_bytes > limits.pending:
            self._pause(_IN_FLIGHT)
        self.account.charge_messages(count * (1 + reach // SHARE))

    def acknowledge(self, answer: bytes, size: int, count: int) -> None:
        """Answer messages that this session sent, of that size all together."""
        self._answered(answer, size + count * _ENTRY_OVERHEAD)

    def suspend(self) -> bool:
        """Take no more frames until what was asked for can be answered; return whether messages are being written."""
        writing = self._in_flight > 0
        self._in_flight += _ENTRY_OVERHEAD
        self._pause(_WAITING)
        return writing

    def answer(self, frame: f.ClientFrame, answer: f.ServerFrame | bytes | ChatError) -> None:
        """Answer what was waited for, and take frames again.

        Args:
            frame: what was asked.
            answer: a frame, an encoded one, or why there is none.
        """
        if isinstance(answer, ChatError):
            refusal = refusals.as_refusal(answer)
            self.account.charge(REFUSED)
            answer = refusals.error_line(frame, refusal)
        elif not isinstance(answer, bytes):
            answer = encode(answer)
        self._resume(_WAITING)
        self._answered(answer, _ENTRY_OVERHEAD)
        self._resume_work()

    def resume_charged(self, size: int, reach: int) -> None:
        """Go on behind a message that had to wait before it could be queued, as :meth:`charge` does for others."""
        self._in_flight -= _ENTRY_OVERHEAD
        self.charge(size, 1, reach)
        self._resume(_WAITING)
        self._resume_work()

    def retry(self, frame: f.ClientFrame) -> None:
        """Take a frame that had to wait as if it came now."""
        self._in_flight -= _ENTRY_OVERHEAD
        self._resume(_WAITING)
        self._dispatch(frame)
        self._resume_work()

    def _answered(self, answer: bytes, size: int) -> None:
        self.send(answer)
        self._in_flight -= size
        if self._paused & _IN_FLIGHT and self._in_flight <= self.hub.limits.in_flight // 2:
            self._resume(_IN_FLIGHT)
        if self._leaving and not self._in_flight and not self._has_more:
            self._leave()

    def _bye(self, _frame: f.Bye) -> None:
        self._bye_received = True
        self._leave()

    def _leave(self) -> None:
        """Say goodbye once everything that was said is answered; be gone from the lists at once."""
        self.hub.leave(self)
        if self._in_flight or self._has_more or self._paused & _WAITING:
            self._leaving = True
        else:
            self.close(codes.LEFT, "Goodbye.")

    def close(self, code: str, text: str) -> None:
        """Say why, and close."""
        self.close_with(encode(f.ServerBye(code, text)))

    def close_with(self, farewell: bytes) -> None:
        """Close behind these words, which are in the language of the caller."""
        if self.closed:
            return
        self.send(farewell)
        self.hub.leave(self)
        self._state = State.CLOSED
        self._age = 0.0
        self.flush()
        try:
            self._wire.close()
        except OSError:
            self._wire.abort()

    def abort(self) -> None:
        """Close now, whatever was not sent yet."""
        self._wire.abort()

    def stop_reading(self) -> None:
        """Take nothing more from the client; the server is about to stop."""
        self._pause(_STOPPING)

    def hold(self) -> None:
        """Take nothing from the client until it can pay."""
        self._pause(_ALLOWANCE)

    def release(self) -> None:
        """Take what comes from the client again."""
        self._resume(_ALLOWANCE)
        self._resume_work()

    def _pause(self, reason: int) -> None:
        if not self._paused and not self.closed:
            self._wire.pause_reading()
        self._paused |= reason

    def _resume(self, reason: int) -> None:
        if self._paused and not self._paused & ~reason and not self.closed:
            self._wire.resume_reading()
        self._paused &= ~reason

    def tick(self, seconds: float) -> None:
        """Note that so many seconds have passed."""
        limits = self.hub.limits
        if self._account is not None and self._account.reset():
            self._account = None
        # Whoever is not read because they have said too much is not silent.
        heard = self._heard or self._paused & (_ALLOWANCE | _UNSENT) == _ALLOWANCE
        self._quiet = 0.0 if heard else self._quiet + seconds
        self._heard = False
        self._bad_frames = max(0.0, self._bad_frames - seconds / _FORGIVING)
        if self._paused & _UNSENT:
            self._note_progress()
        if self._state is not State.READY:
            self._age += seconds
            self._check_age(limits)
        elif self._quiet > (limits.stalled if self._paused else limits.silence):
            self.close(codes.TIMEOUT, "The connection was silent for too long.")

    def _check_age(self, limits: Limits) -> None:
        if self._state is State.CLOSED:
            if self._age > limits.closing:
                self._wire.abort()
        elif self._age > limits.handshake:
            self.close(codes.TIMEOUT, f"There was no hello within {limits.handshake:g} seconds.")

    def _note_progress(self) -> None:
        """A reader that takes anything at all is not stalled, however slow it is."""
        left = self._wire.get_write_buffer_size()
        if left < self._left:
            self._quiet = 0.0
        self._left = left

    def __str__(self) -> str:
        return f"{self.user.name} ({self.purpose}, {self.peer})" if self.user is not None else str(self.peer)

    _HANDLERS: ClassVar[dict[type, Callable[[Session, Any], None]]] = {
        f.Hello: _hello,
        f.Prove: _prove,
        f.Bye: _bye,
    }
