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
from chatcli.errors import ChatError, ProtocolError, ServerUnavailable, ServerUnreachable, UnknownAsker, UnknownServer
from chatcli.protocol import codes, states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import Challenge, ClientFrame, Error, Hello, Ping, Send, ServerBye, ServerFrame, Welcome
from chatcli.protocol.states import State

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.identity.key import Identity
    from chatcli.client.storage.roster_observer import RosterObserver
    from chatcli.protocol.frames import Purpose

MAX_LINE: Final = 16 * 1024 * 1024  # bytes: a server may list many people in one
TIMEOUT: Final = 10.0  # seconds for a question and its answer, however often it is asked
_TRIES: Final = 4
_AT_ONCE: Final = 0.001  # seconds: what a socket does with none differs between plain ones and TLS
_BETWEEN_TRIES: Final = 0.3  # seconds, more each time: a server that is started again is there in a second or two

#: Sentences for each reason to trust a server.
_TRUSTED: Final = {
    "plain": "Connected, without TLS: the server is on this machine.",
    "pinned": "Connected: the server has the key that is pinned, {key}.",
    "known": "Connected: the server has the key that is known here, {key}.",
    "vouched": "Connected: an authority vouches for the server, whose key is {key}.",
}

Kind = TypeVar("Kind", bound=ServerFrame)
Result = TypeVar("Result")


class Opened(NamedTuple):
    """A connection on which nothing was sent yet, except the hello if ``hello_sent``."""

    socket: socket.socket
    channel: Channel
    hello_sent: bool = False


class Connection:
    """A connection on a blocking socket: requests and their answers.

    Attributes:
        deadline: when waiting for an answer ends, by the monotonic clock.
        message_sent: whether a message was sent, so that the server may have it.
        welcome: the server's welcome; None until it has come.
        channel: identifies the connection in proofs.
    """

    def __init__(self, plain: socket.socket, deadline: float, observer: RosterObserver | None = None) -> None:
        self.deadline = deadline
        self.message_sent = False
        self.welcome: Welcome | None = None
        self.channel = PLAIN
        self._observer = observer
        self._socket = plain
        self._reader = FrameReader[ServerFrame](server_frames(), MAX_LINE)
        self._heard: deque[ServerFrame | BadFrame] = deque()
        self._state = State.GREETING
        self._identity: Identity | None = None
        self._proof = b""  # goes out with what is said next, which saves a round trip

    def log_in(self, login: Login, hello: Hello, opened: Opened) -> None:
        """Send the hello, and prepare the answer to a challenge."""
        self.channel, self._identity = opened.channel, login.identity
        if not opened.hello_sent:
            self.send(hello)
        greeting = self._next()
        if isinstance(greeting, Challenge):
            self._proof = encode(login.prove(hello, greeting, self.channel))

    def send(self, *frames: ClientFrame) -> None:
        """Send frames in one write.

        Raises:
            OSError: the connection broke, or the time is over.
        """
        self._socket.settimeout(_left(self.deadline))
        if self._observer is not None:
            frames = self._observer.before_sending(frames)
        self.message_sent = self.message_sent or any(isinstance(frame, Send) for frame in frames)
        proof, self._proof = self._proof, b""
        self._socket.sendall(proof + b"".join(map(encode, frames)))

    def receive(self, *kinds: type[Kind]) -> Kind:
        """Return the next frame of these kinds.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server said no, or what no chatcli server says.
        """
        while True:
            frame = self._next()
            if isinstance(frame, kinds):
                return frame

    def receive_answer(self, *kinds: type[Kind]) -> Kind | Error:
        """Return the next frame of these kinds, or the error that answers one request.

        For callers with several requests under way: such an error names the request that it refuses.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server said no to all of it, or what no chatcli server says.
        """
        while True:
            frame = self._next(each=True)
            if isinstance(frame, Error) or isinstance(frame, kinds):  # noqa: SIM101 (mypy follows it so)
                return frame

    def receive_pending(self) -> list[ServerFrame]:
        """Return the frames that have come, without waiting; errors as in :meth:`receive_answer`.

        Raises:
            OSError: the connection broke.
            ChatError: as :meth:`receive_answer`.
        """
        self._socket.settimeout(_AT_ONCE)
        with contextlib.suppress(TimeoutError):
            self._read()
            while (pending := getattr(self._socket, "pending", None)) and pending():
                self._read()  # TLS has taken it out of the socket, where nobody sees it any more
        frames = []
        while self._heard:
            frames.append(self._next(each=True))
        return frames

    def fileno(self) -> int:
        """Return the descriptor to wait for until something comes."""
        return self._socket.fileno()

    def _next(self, *, each: bool = False) -> ServerFrame:
        while not self._heard:
            self._fill()
        frame = self._heard.popleft()
        if isinstance(frame, BadFrame):
            raise ProtocolError("What answers there is not a chatcli server: check the port.")
        if self._observer is not None and self._observer.receive(frame):
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

    def finish(self) -> None:
        """Receive what the observer has asked, if it comes at once, and have it stored."""
        if self._observer is None:
            return
        from chatcli.client.storage.roster_observer import PATIENCE

        self.deadline = min(self.deadline, time.monotonic() + PATIENCE)
        with contextlib.suppress(OSError, ChatError):  # the command has its answer
            while self._observer.is_waiting:
                self._next()
        self._observer.store()

    def _fill(self) -> None:
        """Read what comes next; send a ping now and then, so that the server does not give us up."""
        left = _left(self.deadline)
        patience = self.welcome.limits.silence / 3 if self.welcome else left
        self._socket.settimeout(min(left, patience))
        try:
            self._read()
        except TimeoutError:
            if patience >= left:
                raise
            self.send(Ping())

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self._heard.extend(self._reader.feed(data))

    def _refusal(self, frame: Error | ServerBye) -> ChatError:
        if frame.code == codes.UNKNOWN_USER and self._state is not State.READY:
            return UnknownAsker(frame.code, f"{frame.text} To ask, one must have joined or sent something before.", [])
        return as_exception(frame) if self._state is State.READY else of_greeting(frame, self._identity)


def with_retries(
    login: Login,
    purpose: Purpose,
    run: Callable[[Connection], Result],
    timeout: float | None = None,
) -> Result:
    """Connect, log in, and return what ``run`` returns.

    If the connection breaks, ``run`` is called again on another one. A person who must confirm the server's key is
    asked while no connection waits.

    Args:
        login: the server, and who logs in there.
        purpose: what the connection is for.
        run: sends requests and receives their answers. It may move the connection's deadline.
        timeout: seconds for all of it.

    Raises:
        ServerNotTrusted: the server is not the one that was meant; nothing was sent to it.
        ServerUnreachable: the server does not answer. If it may have received a message, the sentence says so.
        ChatError: as ``run`` raises it.
    """
    try:
        return _try(login, purpose, run, timeout or TIMEOUT)
    except UnknownServer as unknown:
        login.trust.confirm(login.server, unknown)
        return _try(login, purpose, run, timeout or TIMEOUT)


def _try(login: Login, purpose: Purpose, run: Callable[[Connection], Result], timeout: float) -> Result:
    hello = login.hello(purpose)
    deadline = time.monotonic() + timeout
    broken = ""
    uncertain = False  # the server may have a message that it has not acknowledged
    for attempt in range(_TRIES):
        if broken and time.monotonic() + attempt * _BETWEEN_TRIES > deadline:
            break
        time.sleep(attempt * _BETWEEN_TRIES)
        try:
            opened = connect(login, deadline, hello)
        except ServerUnreachable as error:
            if not (broken or isinstance(error, HungUp)):
                raise
            broken = broken or str(error)
            _detail_failure(error)
            continue
        login = login.without_prompt()  # the next try is no first contact
        with opened.socket as plain:
            connection = Connection(plain, deadline, _observer(login))
            try:
                connection.log_in(login, hello, opened)
                result = run(connection)
            except (OSError, ServerUnreachable) as error:  # the latter is how a server that stops says so
                uncertain = uncertain or connection.message_sent
                broken = broken_sentence(login.server, error, uncertain=uncertain)
                deadline = connection.deadline
                _detail_failure(error)
                continue
            connection.finish()
            return result
    raise ServerUnreachable(broken)


def _observer(login: Login) -> RosterObserver | None:
    """Return the observer that keeps the user's roster up to date; None for a question without a name."""
    if not login.user:
        return None
    from chatcli.client.storage.roster_observer import RosterObserver

    return RosterObserver(login.server, login.user)


@contextlib.contextmanager
def logged_in(login: Login, purpose: Purpose, deadline: float) -> Iterator[Connection]:
    """Connect, log in, and yield the connection until the block ends; nothing is retried, and nobody is asked.

    Raises:
        OSError: the connection broke.
        ChatError: as :func:`connect`, and as the server refuses it.
    """
    hello = login.hello(purpose)
    opened = connect(login, deadline, hello)
    with opened.socket as plain:
        connection = Connection(plain, deadline)
        connection.log_in(login, hello, opened)
        yield connection


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connect(login: Login, deadline: float, hello: Hello | None = None) -> Opened:
    """Open a connection to a server that is trusted.

    Args:
        login: the server, and which servers to trust.
        deadline: when to give up, by the monotonic clock.
        hello: the frame to send first. It may be sent here, to tell several addresses of one host apart.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
        UnknownServer: someone has to be asked; nobody was.
        ServerNotTrusted: the server shows another key than it must.
        ProtocolError: what answers does not speak TLS.
    """
    server, trust = login.server, login.trust
    diagnostics.detail(lambda: f"Connecting to {server}.")
    plain = trust.plain(server)
    opened = _connect_plainly(server, deadline, hello) if plain else _connect_in_tls(server, deadline, trust)
    diagnostics.detail(lambda: _TRUSTED[trust.reason(server, opened.channel)].format(key=opened.channel.server_key))
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


def broken_sentence(server: Address, error: OSError | ServerUnavailable, *, uncertain: bool) -> str:
    """Return the sentence for a connection that broke or took too long.

    Args:
        server: the server's address.
        error: what happened to the connection.
        uncertain: whether the server may have a message that it has not acknowledged.
    """
    doubt = " Whether it has the message is not known." if uncertain else ""
    if isinstance(error, ServerUnavailable):
        return f"{error}{doubt}"
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"
