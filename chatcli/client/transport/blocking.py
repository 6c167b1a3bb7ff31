"""A short conversation with a server on a blocking socket: connected, greeted, tried again where it breaks."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception, of_greeting
from chatcli.client.identity.trust import PLAIN, Channel, Trust
from chatcli.client.transport.dialer import Greeting, HungUp, dial
from chatcli.client.transport.handshake import prove
from chatcli.errors import ChatError, ProtocolError, ServerUnavailable, ServerUnreachable, UnknownAsker, UnknownServer
from chatcli.protocol import codes, states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import Challenge, ClientFrame, Error, Hello, Ping, Send, ServerBye, ServerFrame, Welcome
from chatcli.protocol.states import State

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity
    from chatcli.client.storage.roster_observer import Passing

MAX_LINE: Final = 16 * 1024 * 1024  # bytes: a server may list many people in one
TIMEOUT: Final = 10.0  # seconds for a question and its answer, however often it is asked
_TRIES: Final = 4
_AT_ONCE: Final = 0.001  # seconds: what a socket does with none differs between plain ones and TLS
_BETWEEN_TRIES: Final = 0.3  # seconds, more each time: a server that is started again is there in a second or two

#: How a server that is trusted is told of; see ``trust.Standing``.
_STANDINGS: Final = {
    "plain": "Connected, without TLS: the server is on this machine.",
    "pinned": "Connected: the server has the key that is pinned, {key}.",
    "known": "Connected: the server has the key that is known here, {key}.",
    "vouched": "Connected: an authority vouches for the server, whose key is {key}.",
}

Kind = TypeVar("Kind", bound=ServerFrame)
Result = TypeVar("Result")


class Opened(NamedTuple):
    """A connection on which nothing was said yet, but for the hello if ``greeted``."""

    socket: socket.socket
    channel: Channel
    greeted: bool = False


class Exchange:
    """A connection on which the client has said hello: questions and answers.

    Attributes:
        deadline: until when answers are waited for, by the monotonic clock.
        told: the server may have a message of ours.
        welcome: what the server welcomed us with, once an answer was heard.
        channel: what the connection is known by.
        passing: who takes note of what is said.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self.told = False
        self.welcome: Welcome | None = None
        self.channel = PLAIN
        self.passing: Passing | None = None
        self._connection = connection
        self._reader = FrameReader[ServerFrame](server_frames(), MAX_LINE)
        self._heard: deque[ServerFrame | BadFrame] = deque()
        self._state = State.GREETING
        self._identity: Identity | None = None
        self._proof = b""  # goes out with what is said next, which saves a round trip

    def greet(self, hello: Hello, identity: Identity | None, opened: Opened) -> None:
        """Say hello, and have the answer to a challenge ready."""
        self.channel, self._identity = opened.channel, identity
        if not opened.greeted:
            self.say(hello)
        greeting = self._next()
        if isinstance(greeting, Challenge) and identity is not None:
            self._proof = encode(prove(identity, hello, greeting, self.channel))

    def say(self, *frames: ClientFrame) -> None:
        """Say these in one breath.

        Raises:
            OSError: the connection broke, or the time is over.
        """
        self._connection.settimeout(_left(self.deadline))
        if self.passing is not None:
            frames = self.passing.saying(frames)
        self.told = self.told or any(isinstance(frame, Send) for frame in frames)
        proof, self._proof = self._proof, b""
        self._connection.sendall(proof + b"".join(map(encode, frames)))

    def hear(self, *kinds: type[Kind]) -> Kind:
        """Return the next frame of these kinds.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server said no, or what no chatcli server says.
        """
        while True:
            frame = self._next()
            if isinstance(frame, kinds):
                return frame

    def hear_each(self, *kinds: type[Kind]) -> Kind | Error:
        """Return the next frame of these kinds, or what the server says of one thing that it does not do.

        For whoever has said several things in one breath: a refusal names the one that it answers.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server said no to all of it, or what no chatcli server says.
        """
        while True:
            frame = self._next(each=True)
            if isinstance(frame, Error) or isinstance(frame, kinds):  # noqa: SIM101 (mypy follows it so)
                return frame

    def heard(self) -> list[ServerFrame]:
        """Return what has come, without waiting for more; as :meth:`hear_each`, with what refuses one thing.

        Raises:
            OSError: the connection broke.
            ChatError: as :meth:`hear_each`.
        """
        self._connection.settimeout(_AT_ONCE)
        with contextlib.suppress(TimeoutError):
            self._read()
            while (pending := getattr(self._connection, "pending", None)) and pending():
                self._read()  # TLS has taken it out of the socket, where nobody sees it any more
        frames = []
        while self._heard:
            frames.append(self._next(each=True))
        return frames

    def fileno(self) -> int:
        """Return the descriptor to wait for until something comes."""
        return self._connection.fileno()

    def _next(self, *, each: bool = False) -> ServerFrame:
        while not self._heard:
            self._receive()
        frame = self._heard.popleft()
        if isinstance(frame, BadFrame):
            raise ProtocolError("What answers there is not a chatcli server: check the port.")
        if self.passing is not None and self.passing.takes(frame):
            return self._next(each=each)
        following = states.after(states.FROM_SERVER, self._state, type(frame))
        if following is None:
            raise ProtocolError("The server said something out of turn.")
        one = isinstance(frame, Error) and self._state is State.READY and (frame.id, frame.n) != (None, None)
        if isinstance(frame, (Error, ServerBye)) and not (each and one):
            raise self._refusal(frame)
        self._state = following
        if isinstance(frame, Welcome):
            self.welcome = frame
        return frame

    def end(self) -> None:
        """Hear what was asked in passing, if it comes at once, and have it kept."""
        if self.passing is None:
            return
        from chatcli.client.storage.roster_observer import PATIENCE

        self.deadline = min(self.deadline, time.monotonic() + PATIENCE)
        with contextlib.suppress(OSError, ChatError):  # the command has its answer
            while self.passing.waits:
                self._next()
        self.passing.keep()

    def _receive(self) -> None:
        """Take what comes next; say something now and then, lest the server takes us for dead."""
        left = _left(self.deadline)
        patience = self.welcome.limits.silence / 3 if self.welcome else left
        self._connection.settimeout(min(left, patience))
        try:
            self._read()
        except TimeoutError:
            if patience >= left:
                raise
            self.say(Ping())

    def _read(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionResetError
        self._heard.extend(self._reader.feed(data))

    def _refusal(self, frame: Error | ServerBye) -> ChatError:
        if frame.code == codes.UNKNOWN_USER and self._state is not State.READY:
            return UnknownAsker(frame.code, f"{frame.text} To ask, one must have joined or sent something before.", [])
        return as_exception(frame) if self._state is State.READY else of_greeting(frame, self._identity)


def converse(
    server: Address,
    hello: Hello,
    talk: Callable[[Exchange], Result],
    trust: Trust,
    identity: Identity | None,
    timeout: float | None = None,
) -> Result:
    """Connect, say hello, and return what ``talk`` returns.

    A connection that breaks is made again, and ``talk`` called again. Where the person must be asked about the server,
    that is done while no connection waits.

    Raises:
        ServerNotTrusted: the server is not the one that was meant; nothing was said to it.
        ServerUnreachable: the server does not answer; where it may have got a message, the sentence says so.
        ChatError: as ``talk`` raises it.
    """
    try:
        return _try(server, hello, talk, trust, identity, timeout or TIMEOUT)
    except UnknownServer as unknown:
        trust.meet(server, unknown)
        return _try(server, hello, talk, trust, identity, timeout or TIMEOUT)


def _try(
    server: Address,
    hello: Hello,
    talk: Callable[[Exchange], Result],
    trust: Trust,
    identity: Identity | None,
    timeout: float,
) -> Result:
    deadline = time.monotonic() + timeout
    broken = ""
    told = False
    for attempt in range(_TRIES):
        if broken and time.monotonic() + attempt * _BETWEEN_TRIES > deadline:
            break
        time.sleep(attempt * _BETWEEN_TRIES)
        try:
            opened = connect(server, deadline, trust, hello)
        except ServerUnreachable as error:
            if not (broken or isinstance(error, HungUp)):
                raise
            broken = broken or str(error)
            _detail_failure(error)
            continue
        trust = trust.settled()  # the next try is no first contact
        with opened.socket as connection:
            exchange = Exchange(connection, deadline)
            exchange.passing = _passing(server, hello)
            try:
                exchange.greet(hello, identity, opened)
                result = talk(exchange)
            except (OSError, ServerUnreachable) as error:  # the latter is how a server that stops says so
                told = told or exchange.told
                broken = broken_sentence(server, error, told=told)
                deadline = exchange.deadline
                _detail_failure(error)
                continue
            exchange.end()
            return result
    raise ServerUnreachable(broken)


def _passing(server: Address, hello: Hello) -> Passing | None:
    """Return who takes note of what is said, for the roster of a user."""
    if not hello.user:
        return None
    from chatcli.client.storage.roster_observer import Passing

    return Passing(server, hello.user)


@contextlib.contextmanager
def greeted(
    server: Address, hello: Hello, trust: Trust, identity: Identity | None, deadline: float
) -> Iterator[Exchange]:
    """Connect, say hello, and yield the connection until the block ends; nothing is tried again, and nobody asked.

    Raises:
        OSError: the connection broke.
        ChatError: as :func:`connect`, and as the server refuses it.
    """
    opened = connect(server, deadline, trust, hello)
    with opened.socket as connection:
        exchange = Exchange(connection, deadline)
        exchange.greet(hello, identity, opened)
        yield exchange


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connect(server: Address, deadline: float, trust: Trust, hello: Hello | None = None) -> Opened:
    """Open a connection to a server that is trusted.

    Args:
        server: where to.
        deadline: until when, by the monotonic clock.
        trust: which servers to speak to.
        hello: what is going to be said first. It may be said here, where several addresses have to be told apart.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
        UnknownServer: someone has to be asked; nobody was.
        ServerNotTrusted: the server shows another key than it must.
        ProtocolError: what answers does not speak TLS.
    """
    diagnostics.detail(lambda: f"Connecting to {server}.")
    plain = trust.plain(server)
    opened = _connect_plainly(server, deadline, hello) if plain else _connect_in_tls(server, deadline, trust)
    diagnostics.detail(lambda: _STANDINGS[trust.standing(server, opened.channel)].format(key=opened.channel.server_key))
    return opened


def _connect_plainly(server: Address, deadline: float, hello: Hello | None) -> Opened:
    greeting = None if hello is None else Greeting(server, encode(hello))
    connection = dial(server, deadline, greeting)
    return Opened(connection, PLAIN, greeting is not None and greeting.said)


def _connect_in_tls(server: Address, deadline: float, trust: Trust) -> Opened:
    from chatcli.client.transport import tls

    doubt = None
    for way in tls.ways(server, trust):
        try:
            connection = dial(server, deadline, way)
        except tls.NotVouched as error:
            doubt = error
            continue
        try:
            channel = tls.shown(server, connection)
            trust.check(server, channel, vouched=way.vouched, doubt=tls.doubt(server, connection, doubt))
        except ChatError:
            connection.close()
            raise
        return Opened(connection, channel)
    raise AssertionError  # the last way needs nobody's word


def _detail_failure(error: Exception) -> None:
    diagnostics.detail(lambda: f"Trying again: {str(error) or 'the connection broke'}")


def broken_sentence(server: Address, error: OSError | ServerUnavailable, *, told: bool) -> str:
    """Say that a connection broke, or took too long, and where it was so whether the server may have a message."""
    doubt = " Whether it has the message is not known." if told else ""
    if isinstance(error, ServerUnavailable):
        return f"{error}{doubt}"
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"
