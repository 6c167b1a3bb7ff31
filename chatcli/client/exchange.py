"""A short conversation with a server on a blocking socket: connected, greeted, tried again where it breaks."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from chatcli.client.proof import prove
from chatcli.client.refusals import as_exception
from chatcli.client.trust import PLAIN, Channel, Trust
from chatcli.errors import ChatError, ProtocolError, ServerUnreachable, UnknownAsker, UnknownServer
from chatcli.protocol import codes, states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import Challenge, ClientFrame, Error, Hello, Ping, Send, ServerBye, ServerFrame, Welcome
from chatcli.protocol.states import State

if TYPE_CHECKING:
    from chatcli.client.identity import Identity

MAX_LINE: Final = 16 * 1024 * 1024  # bytes: a server may list many people in one
TIMEOUT: Final = 10.0  # seconds for a question and its answer, however often it is asked
_TRIES: Final = 4
_BETWEEN_TRIES: Final = 0.3  # seconds, more each time: a server that is started again is there in a second or two

Kind = TypeVar("Kind", bound=ServerFrame)
Result = TypeVar("Result")


class Opened(NamedTuple):
    """A connection on which nothing was said yet."""

    socket: socket.socket
    channel: Channel


class Exchange:
    """A connection on which the client has said hello: questions and answers.

    Attributes:
        deadline: until when answers are waited for, by the monotonic clock.
        told: the server may have a message of ours.
        welcome: what the server welcomed us with, once an answer was heard.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self.told = False
        self.welcome: Welcome | None = None
        self._connection = connection
        self._reader = FrameReader[ServerFrame](server_frames, MAX_LINE)
        self._heard: deque[ServerFrame | BadFrame] = deque()
        self._state = State.GREETING
        self._proof = b""  # goes out with what is said next, which saves a round trip

    def greet(self, hello: Hello, identity: Identity | None, channel: Channel) -> None:
        """Say hello, and have the answer to a challenge ready."""
        self.say(hello)
        greeting = self._next()
        if isinstance(greeting, Challenge) and identity is not None:
            self._proof = encode(prove(identity, hello, greeting, channel))

    def say(self, *frames: ClientFrame) -> None:
        """Say these in one breath.

        Raises:
            OSError: the connection broke, or the time is over.
        """
        self._connection.settimeout(_left(self.deadline))
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

    def _next(self) -> ServerFrame:
        while not self._heard:
            self._receive()
        frame = self._heard.popleft()
        if isinstance(frame, BadFrame):
            raise ProtocolError("What answers there is not a chatcli server: check the port.")
        following = states.after(states.FROM_SERVER, self._state, type(frame))
        if following is None:
            raise ProtocolError("The server said something out of turn.")
        if isinstance(frame, (Error, ServerBye)):
            raise self._refusal(frame)
        self._state = following
        if isinstance(frame, Welcome):
            self.welcome = frame
        return frame

    def _receive(self) -> None:
        """Take what comes next; say something now and then, lest the server takes us for dead."""
        left = _left(self.deadline)
        patience = self.welcome.limits.silence / 3 if self.welcome else left
        self._connection.settimeout(min(left, patience))
        try:
            data = self._connection.recv(65536)
        except TimeoutError:
            if patience >= left:
                raise
            self.say(Ping())
            return
        if not data:
            raise ConnectionResetError
        self._heard.extend(self._reader.feed(data))

    def _refusal(self, frame: Error | ServerBye) -> ChatError:
        if frame.code == codes.UNKNOWN_USER and self._state is not State.READY:
            return UnknownAsker(frame.code, f"{frame.text} To ask, one must have joined or sent something before.", [])
        return as_exception(frame)


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
            opened = connect(server, deadline, trust)
        except ServerUnreachable:
            if not broken:
                raise
            continue
        trust = trust.settled()  # the next try is no first contact
        with opened.socket as connection:
            exchange = Exchange(connection, deadline)
            try:
                exchange.greet(hello, identity, opened.channel)
                return talk(exchange)
            except OSError as error:
                told = told or exchange.told
                broken = _broken(server, error, told=told)
                deadline = exchange.deadline
    raise ServerUnreachable(broken)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connect(server: Address, deadline: float, trust: Trust) -> Opened:
    """Open a connection to a server that is trusted.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
        UnknownServer: someone has to be asked; nobody was.
        ServerNotTrusted: the server shows another key than it must.
        ProtocolError: what answers does not speak TLS.
    """
    if trust.plain(server):
        return Opened(_dial(server, deadline), PLAIN)
    return _connect_in_tls(server, deadline, trust)


def _connect_in_tls(server: Address, deadline: float, trust: Trust) -> Opened:
    from chatcli.client import tls

    for way in tls.ways(server, trust):
        plain = _dial(server, deadline)
        try:
            connection = way.context.wrap_socket(plain, server_hostname=tls.host_name(server))
        except tls.NotVouched:
            continue
        except OSError as error:
            raise tls.failure(server, error) or ServerUnreachable(unreachable(server, error)) from None
        try:
            channel = tls.shown(server, connection)
            trust.check(server, channel, vouched=way.vouched)
        except ChatError:
            connection.close()
            raise
        return Opened(connection, channel)
    raise AssertionError  # the last way needs nobody's word


def _dial(server: Address, deadline: float) -> socket.socket:
    try:
        return socket.create_connection(server, timeout=max(0.1, deadline - time.monotonic()))
    except (OSError, UnicodeError) as error:
        raise ServerUnreachable(unreachable(server, error)) from None


def unreachable(server: Address, error: Exception) -> str:
    """Say why there is no connection to the server, and what to do about it."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f'There is no host called "{server.host}": check the spelling, or give its IP address with --server.'
    if isinstance(error, ConnectionRefusedError):
        return f'No server answers at {server}: start one with "chatcli serve", or say where it is with --server.'
    if isinstance(error, TimeoutError):
        return f"{server} does not answer: check the address, the network, and that no firewall is in between."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"Cannot connect to {server} ({reason}): check the address and the network."


def _broken(server: Address, error: OSError, *, told: bool) -> str:
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    doubt = " Whether it has the message is not known." if told else ""
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"
