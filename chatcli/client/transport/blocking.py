"""A connection to a server on a blocking socket, and requests that are repeated when it breaks."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception, login_refusal
from chatcli.client.transport.dialer import Greeting, HungUp, attempts, dial, turns
from chatcli.errors import ChatError, ServerUnavailable, ServerUnreachable, UnknownServer
from chatcli.protocol.client_connection import ClientConnection
from chatcli.protocol.frames import MAX_SEQ, ClientFrame, Error, Hello, Ping, Send, ServerBye, ServerFrame, Welcome

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.storage.roster_observer import RosterObserver
    from chatcli.client.transport.dialer import Attempt, Turn
    from chatcli.protocol.frames import Purpose
    from chatcli.protocol.keys import Channel
    from chatcli.protocol.values.address import Address

TIMEOUT: Final = 10.0  # seconds for a request and its answer, all attempts together
_BETWEEN_TRIES: Final = (0.3, 0.6, 0.9)  # seconds: a server that is restarted is back in a second or two
_BETWEEN_LOOKS: Final = 1.0  # seconds between attempts to reach a server that is waited for
_AT_LEAST: Final = 0.1  # seconds for such an attempt
_AT_ONCE: Final = 0.001  # seconds; zero would mean non-blocking, which TLS sockets treat differently
_CHUNK: Final = 64 * 1024  # bytes read at a time

#: Sentences for each reason to trust a server.
_TRUSTED: Final = {
    "plain": "Connected, without TLS: the server is on this machine.",
    "pinned": "Connected: the server has the key that is pinned, {key}.",
    "known": "Connected: the server has the key that is known here, {key}.",
    "vouched": "Connected: an authority vouches for the server, whose key is {key}.",
}

Kind = TypeVar("Kind", bound=ServerFrame)
Result = TypeVar("Result")


class Opened(Struct, frozen=True):
    """A connection to a trusted server, on which at most the hello was sent."""

    socket: socket.socket
    channel: Channel
    hello_sent: bool


class Connection:
    """A connection on a blocking socket: requests and their answers.

    Args:
        opened: the connection to the server.
        login: who logs in.
        deadline: when waiting for an answer ends, by the monotonic clock.
        observer: sees what is sent and received, for the user's roster.

    Attributes:
        deadline: as given; it may be moved.
        message_sent: whether a message was sent, so that the server may have it.
    """

    def __init__(self, opened: Opened, login: Login, deadline: float, observer: RosterObserver | None = None) -> None:
        self.deadline = deadline
        self.message_sent = False
        self._socket = opened.socket
        self._observer = observer
        self._key_path = "" if login.identity is None else login.identity.path
        self._protocol = ClientConnection(login.server, login.identity, opened.channel)
        self._purpose: Purpose = "query"  # until the hello
        self._asked = ""  # the epoch in the hello
        self._received: deque[ServerFrame] = deque()
        self._last_sent = time.monotonic()

    @property
    def welcome(self) -> Welcome | None:
        """The server's welcome; None until an answer was received."""
        return self._protocol.welcome

    @property
    def epoch(self) -> str:
        """The epoch of the server's log; empty until an answer was received, and for servers that name none."""
        return "" if self.welcome is None else self.welcome.epoch

    def shared_with(self, epoch: str) -> int:
        """Return the number up to which those of a log with this epoch mean the same messages on this server.

        Unless the epoch is empty, which stands for the log of this server, this waits for the welcome.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server refuses the user, or does not speak the protocol.
        """
        if not epoch:
            return MAX_SEQ
        from chatcli.protocol.epochs import KnownLogs

        if self.welcome is None:
            self.send()  # the proof
        logs = KnownLogs(self._asked)
        logs.welcomed(self.welcome or self.receive(Welcome), self._asked)
        return logs.shared(epoch)

    @property
    def channel(self) -> Channel:
        """The channel that proofs on this connection are bound to."""
        return self._protocol.channel

    def log_in(self, hello: Hello, *, hello_sent: bool) -> None:
        """Send the hello and receive the first answer. The proof goes out with the first request: see :meth:`send`."""
        self._purpose, self._asked = hello.purpose, hello.epoch
        data = self._protocol.send(hello)
        if not hello_sent:
            self._write(data)
        self._next()

    def send(self, *frames: ClientFrame) -> None:
        """Send frames in one write, after the proof if it was not sent yet.

        Raises:
            OSError: the connection broke, or the time is over.
        """
        if self._observer is not None:
            frames = self._observer.before_sending(frames)
        self.message_sent = self.message_sent or any(isinstance(frame, Send) for frame in frames)
        self._write(self._protocol.send(*frames))

    def receive(self, *kinds: type[Kind]) -> Kind:
        """Return the next frame of these kinds.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server refused something, or does not speak the protocol.
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
            ChatError: the server refused everything, or does not speak the protocol.
        """
        while True:
            frame = self._next(answers=True)
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
                self._read()  # TLS has read it from the socket, which select no longer reports as readable
        frames = []
        while self._received:
            frames.append(self._next(answers=True))
        return frames

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something comes."""
        return self._socket.fileno()

    def until_ping(self) -> float:
        """Return the seconds until a ping is due; zero or less if it is."""
        return self._last_sent + self._protocol.ping_interval - time.monotonic()

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

    def _next(self, *, answers: bool = False) -> ServerFrame:
        while True:
            while not self._received:
                self._fill()
            frame = self._received.popleft()
            if self._observer is None or not self._observer.receive(frame):
                break
        answer = isinstance(frame, Error) and (frame.id, frame.n) != (None, None) and self.welcome is not None
        if isinstance(frame, (Error, ServerBye)) and not (answers and answer):
            if self.welcome is None:
                raise login_refusal(frame, self._key_path, purpose=self._purpose)
            raise as_exception(frame)
        return frame

    def _fill(self) -> None:
        """Read once; send a ping whenever one is due, so that the server does not give the connection up."""
        self._protocol.check()
        left = _left(self.deadline)
        if self.welcome is not None and (patience := max(_AT_ONCE, self.until_ping())) < left:
            self._socket.settimeout(patience)
            with contextlib.suppress(TimeoutError):
                self._read()
            if self._protocol.needs_ping(time.monotonic() - self._last_sent):
                self.send(Ping())
        else:
            self._socket.settimeout(left)
            self._read()

    def _read(self) -> None:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError
        self._received.extend(self._protocol.receive(data))

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.deadline))
        self._socket.sendall(data)
        self._last_sent = time.monotonic()


class Wait(Protocol):
    """A wait for what comes of something that was sent."""

    @property
    def until(self) -> float | None:
        """When the wait ends, by the monotonic clock; None until the server has stored what was sent."""

    @property
    def last_look(self) -> float:
        """Seconds for an attempt after the end."""


def with_retries(
    login: Login,
    purpose: Purpose,
    run: Callable[[Connection], Result],
    timeout: float | None = None,
    wait: Wait | None = None,
    *,
    epoch: str = "",
) -> Result:
    """Connect, log in, and return what ``run`` returns.

    If the connection breaks, ``run`` is called again on another one. A person who must confirm the server's key is
    asked while no connection waits.

    Args:
        login: the server, and who logs in there.
        purpose: what the connection is for.
        run: sends requests and receives their answers. It may move the connection's deadline.
        timeout: seconds for all of it, until the wait has started.
        wait: what ``run`` waits for; if the server is lost meanwhile, attempts go on until the wait ends.
        epoch: that of the log which the numbers in the requests belong to, if it is known. Each further connection
            names the log of the one before it.

    Raises:
        ServerNotTrusted: the server is not the one that was meant; nothing was sent to it.
        ServerUnreachable: the server does not answer. If it may have received a message, the sentence says so.
        ChatError: as ``run`` raises it.
    """
    timeout = timeout or TIMEOUT
    try:
        return _Attempts(login.hello(purpose, epoch=epoch), login, run, timeout=timeout, wait=wait).make_all()
    except UnknownServer as unknown:
        login.trust.confirm(login.server.name, unknown)
        return _Attempts(login.hello(purpose, epoch=epoch), login, run, timeout=timeout, wait=wait).make_all()


class _Attempts(Generic[Result]):
    """Attempts to have one operation done, each on a connection of its own.

    Args:
        hello: the first frame of the first one.
        login: the server, and who logs in there.
        run: the operation.
        timeout: seconds for all attempts, until the wait has started.
        wait: what the operation waits for.
    """

    def __init__(
        self, hello: Hello, login: Login, run: Callable[[Connection], Result], *, timeout: float, wait: Wait | None
    ) -> None:
        self._deadline = time.monotonic() + timeout  # the operation may move it
        self._login = login
        self._hello = hello
        self._run = run
        self._wait = wait
        self._broken = ""  # what happened to the newest connection that broke
        self._uncertain = False  # the server may have a message that it has not acknowledged

    def make_all(self) -> Result:
        """Make attempts until one succeeds.

        Raises:
            ChatError: as :func:`with_retries`.
        """
        try:
            return self._make()
        except HungUp as error:
            from chatcli.client.transport.reconnect import RetryPolicy, retry

            policy = RetryPolicy(self._waits, lambda: self._deadline - time.monotonic())
            return retry(self._make, policy, wait=time.sleep, after=error)

    def _waits(self) -> Iterator[float]:
        """Yield the seconds before each further attempt: three of them, or as many as the wait has time for."""
        waits = iter(_BETWEEN_TRIES)
        is_over = False
        while not is_over:
            if self._wait is None or (until := self._wait.until) is None:
                seconds = next(waits, None)
                if seconds is None:
                    return
            else:
                now = time.monotonic()
                seconds = min(_BETWEEN_LOOKS, max(0.0, until - now))
                is_over = now + seconds >= until
                left = until - now - seconds
                self._deadline = now + seconds + max(_AT_LEAST, min(TIMEOUT, left), self._wait.last_look)
            yield seconds

    def _make(self) -> Result:
        """Make one attempt.

        Raises:
            HungUp: the connection broke, or there was one before and there is none now: it is worth another attempt.
            ChatError: as :func:`with_retries`.
        """
        opened = self._connect()
        login = self._login = self._login.without_prompt()  # the next attempt is no first contact
        with opened.socket:
            connection = Connection(opened, login, self._deadline, _observer(login))
            try:
                connection.log_in(self._hello, hello_sent=opened.hello_sent)
                result = self._run(connection)
            except (OSError, ServerUnavailable) as error:
                is_waiting = self._is_waiting
                if not is_waiting and not isinstance(error, (OSError, ServerUnreachable)):
                    raise  # the latter is how a server that stops says so
                self._deadline = connection.deadline
                self._hello = replace(self._hello, epoch=connection.epoch or self._hello.epoch)
                self._uncertain = not is_waiting and (self._uncertain or connection.message_sent)
                self._broken = broken_sentence(login.server, error, uncertain=self._uncertain)
                _detail_failure(error)
                raise HungUp(self._broken) from None
            connection.finish()
            return result

    def _connect(self) -> Opened:
        try:
            return connect(self._login, self._deadline, self._hello)
        except ServerUnreachable as error:
            if not (self._broken or isinstance(error, HungUp)):
                raise
            if self._is_waiting or not self._broken:
                self._broken = str(error)
            _detail_failure(error)
            raise HungUp(self._broken) from None

    @property
    def _is_waiting(self) -> bool:
        """Whether all that was sent is stored, and the rest is to wait."""
        return self._wait is not None and self._wait.until is not None


def _observer(login: Login) -> RosterObserver | None:
    """Return the observer that keeps the user's roster up to date; None for a question without a name, or a token."""
    if not login.user or login.token is not None:
        return None
    from chatcli.client.storage.roster_observer import RosterObserver

    return RosterObserver(login.server.name, login.user)


@contextlib.contextmanager
def logged_in(login: Login, purpose: Purpose, deadline: float) -> Iterator[Connection]:
    """Connect, log in, and yield the connection until the block ends; nothing is retried, and nobody is asked.

    Raises:
        OSError: the connection broke.
        ChatError: as :func:`connect`, and as the server refuses it.
    """
    hello = login.hello(purpose)
    opened = connect(login, deadline, hello)
    with opened.socket:
        connection = Connection(opened, login, deadline)
        connection.log_in(hello, hello_sent=opened.hello_sent)
        yield connection


def connect(login: Login, deadline: float, hello: Hello | None = None) -> Opened:
    """Open a connection to a trusted server, at the first of its addresses that answers.

    Args:
        login: the server, and which servers to trust.
        deadline: when to give up, by the monotonic clock.
        hello: the frame to send first. It may be sent here, to tell several addresses of one host apart.

    Raises:
        ServerUnreachable: there is no connection; the sentence says what to look at.
        UnknownServer: a person must confirm the server's key; nobody was asked.
        ServerNotTrusted: the server shows another key than it must.
        ProtocolError: what answers does not speak TLS.
    """
    name, trust = login.server.name, login.trust
    opened = _open(login, deadline, hello)
    diagnostics.detail(lambda: _TRUSTED[trust.reason(name, opened.channel)].format(key=opened.channel.server_key))
    return opened


def _open(login: Login, deadline: float, hello: Hello | None) -> Opened:
    for turn in turns(login.server, deadline, time.monotonic):
        try:
            return _open_at(turn, login, hello)
        except ServerUnreachable:
            if turn.is_last:
                raise
    raise AssertionError  # the last turn returns or raises


def _open_at(turn: Turn, login: Login, hello: Hello | None) -> Opened:
    diagnostics.detail(lambda: f"Connecting to {turn.address}.")
    doubt = None
    for attempt in attempts(login, turn.address, hello):
        try:
            connection = _dial(turn.address, turn.until, attempt)
        except OSError as error:
            doubt = error  # no authority vouches for the server: the next attempt goes by its key
            continue
        try:
            return Opened(connection, attempt.accept(connection, doubt), attempt.hello_sent)
        except BaseException:
            connection.close()
            raise
    raise AssertionError  # the last attempt raises no OSError


def _dial(address: Address, deadline: float, attempt: Attempt) -> socket.socket:
    """Connect directly, or through a tunnel; errors as in :func:`chatcli.client.transport.dialer.dial`."""
    if isinstance(attempt, Greeting) or not address.scheme:
        return dial(address, deadline, attempt)
    from chatcli.client.transport import tunnel

    return tunnel.dial(address, deadline, attempt)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _detail_failure(error: Exception) -> None:
    diagnostics.detail(lambda: f"Trying again: {str(error) or 'the connection broke'}")


def broken_sentence(server: Server, error: OSError | ServerUnavailable, *, uncertain: bool) -> str:
    """Return the sentence for a connection that broke or took too long.

    Args:
        server: the server.
        error: what happened to the connection.
        uncertain: whether the server may have a message that it has not acknowledged.
    """
    doubt = " Whether it has the message is not known." if uncertain else ""
    if isinstance(error, ServerUnavailable):
        return f"{error}{doubt}"
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"
