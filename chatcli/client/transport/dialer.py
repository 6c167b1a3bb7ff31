"""Reaches a server at one of the addresses of its host, so that none that is silent holds up the others (RFC 8305).

The order of turns, :class:`Race`, does no I/O: it serves the blocking dialler here and the one on asyncio.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from chatcli.errors import ChatError, ProtocolError, ServerUnreachable
from chatcli.protocol.address import DEFAULT_PORT, Address
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import PLAIN, Channel

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.transport.tls import TlsAttempt
    from chatcli.protocol.frames import Hello


CONNECTING: Final = 0.25  # seconds for an address to answer before the next one gets its turn (RFC 8305, section 8)
GREETING: Final = 0.75  # seconds for TLS or a first word on a connection that stands, likewise
_AT_LEAST: Final = 0.001  # seconds: with none, a socket waits for ever
_MOST: Final = 16  # addresses of one host that are tried
_FIRST: Final = b"{"  # with which all begins that a server says
_UNDER_WAY: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK)
_UNKNOWN: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))

#: What ``getaddrinfo`` returns.
Found = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]


class Target(NamedTuple):
    """One address of a host, as sockets take it."""

    family: int
    place: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.place[0])


class Handshake(Protocol):
    """The first words on a connection that stands: TLS, or a greeting."""

    @property
    def connection(self) -> socket.socket:
        """What to speak through once it is done."""

    def advance(self) -> int:
        """Go on as far as that is possible; return the events to wait for, or 0 once it is done."""


#: One way to open a connection: plain, or in TLS with certain checks.
Attempt: TypeAlias = "Greeting | TlsAttempt"


class HungUp(ServerUnreachable):
    """A connection was established, and ended before its time, as by a server that is being restarted."""


class _Foreign(OSError):
    """What answers does not speak our protocol."""


class Greeting:
    """A plain connection on which the hello is sent if several addresses must be told apart by what answers.

    Args:
        server: the server's address.
        hello: the bytes to send first; empty to send nothing.

    Attributes:
        hello_sent: whether the hello was sent, and answered, on the connection that was opened.
    """

    def __init__(self, server: Address, hello: bytes) -> None:
        self.hello_sent = False
        self._hello = hello
        self._server = server

    @property
    def is_possible(self) -> bool:
        """Whether there is a hello to send."""
        return bool(self._hello)

    def start(self, plain: socket.socket) -> Handshake:
        """Start on an established, non-blocking connection."""
        self.hello_sent = True
        return _Greeted(plain, self._hello)

    def is_final(self, _error: OSError, /) -> bool:
        """Return False: what hangs up or is another service says nothing about the other addresses."""
        return False

    def failure(self, error: Exception) -> ChatError | None:
        """Return the exception for a greeting that failed; None if the greeting is not at fault."""
        if isinstance(error, _Foreign):
            return ProtocolError(f"What answers at {self._server} is not a chatcli server: check the port.")
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            return HungUp(
                f"{self._server} broke the connection: is it a chatcli server? Check the address, or try again."
            )
        return None

    def accept(self, _connection: object, _doubt: OSError | None) -> Channel:
        """Return the channel of a plain connection: only servers on this machine are spoken to without TLS."""
        return PLAIN


class _Greeted:
    """A greeting on one connection: done once the first byte of an answer is there, which stays unread."""

    def __init__(self, connection: socket.socket, hello: bytes) -> None:
        self.connection = connection
        self._hello = hello

    def advance(self) -> int:
        """Go on as far as that is possible; return the events to wait for, or 0 once it is done.

        Raises:
            OSError: it has failed.
        """
        try:
            if self._hello:
                self._hello = self._hello[self.connection.send(self._hello) :]
            if self._hello:
                return selectors.EVENT_WRITE
            first = self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return selectors.EVENT_WRITE if self._hello else selectors.EVENT_READ
        if not first:
            raise ConnectionResetError
        if first != _FIRST:
            raise _Foreign
        return 0


def attempts(login: Login, hello: Hello | None) -> Sequence[Attempt]:
    """Return the attempts to make in order, each on a connection of its own; the next one after an ``OSError``.

    Args:
        login: the server, and which servers to trust.
        hello: the first frame.

    Raises:
        InputError: the file of known servers cannot be used.
    """
    if login.trust.plain(login.server):
        return [Greeting(login.server, b"" if hello is None else encode(hello))]
    from chatcli.client.transport import tls

    return tls.attempts(login.server, login.trust)


def handshake_needed(found: Found, attempt: Attempt) -> Attempt | None:
    """Return the attempt if it needs a handshake before it has won: a greeting does only with several addresses."""
    if isinstance(attempt, Greeting) and (len(_in_turns(found)) == 1 or not attempt.is_possible):
        return None
    return attempt


class Race:
    """Whose turn it is among the addresses of a server, and what became of each.

    Args:
        server: as it is addressed.
        found: its addresses.
        attempt: explains failures of handshakes; None if there are none.
    """

    def __init__(self, server: Address, found: Found, attempt: Attempt | None = None) -> None:
        self._server = server
        self._attempt = attempt
        self._coming = _in_turns(found)
        self._running: dict[Target, bool] = {}  # whether the connection stands
        self._failed: list[tuple[Target, OSError]] = []
        self._turn = 0.0

    def due(self, now: float) -> Target | None:
        """Return the address whose turn it is, once."""
        if not self._coming or (self._running and now < self._turn):
            return None
        target = self._coming.pop(0)
        self._running[target] = False
        self._turn = now + CONNECTING
        return target

    @property
    def turn(self) -> float | None:
        """When the next address gets its turn, if there is one."""
        return self._turn if self._coming else None

    @property
    def over(self) -> bool:
        """Whether every address has failed."""
        return not self._coming and not self._running

    def reached(self, target: Target, now: float) -> None:
        """Note that a connection stands, and that its first words begin."""
        self._running[target] = True
        self._turn = now + GREETING

    def failed(self, target: Target, error: OSError) -> None:
        """Note why an address cannot be used; the next one gets its turn at once."""
        self._running.pop(target, None)
        self._failed.append((target, error))
        self._turn = 0.0

    def failure(self) -> ChatError:
        """Return why there is no connection; what was under way has not answered in time."""
        errors = [error for _, error in self._failed]
        if self._attempt is not None and not self._running:
            for error in reversed(errors):
                if (explained := self._attempt.failure(error)) is not None:
                    return explained
        late = bool(self._running) or any(isinstance(error, TimeoutError) for error in errors)
        error = TimeoutError() if late or not errors else errors[0]
        return ServerUnreachable(unreachable(self._server, error, self._tried()))

    def _tried(self) -> str:
        """Return each address and what it did, where that says more than the address of the server."""
        tried = [(str(target), _reason(error)) for target, error in self._failed]
        tried += [
            (str(target), "connected, but does not speak" if stands else "does not answer")
            for target, stands in self._running.items()
        ]
        tried += [(str(target), "no time was left") for target in self._coming]
        if [address for address, _ in tried] == [self._server.host]:
            return ""
        return ", ".join(f"{address}: {why}" for address, why in tried)


def _in_turns(found: Found) -> list[Target]:
    """Return the addresses, the families by turns, so that one of them which leads nowhere costs one turn."""
    targets = list(dict.fromkeys(Target(family, place) for family, _, _, _, place in found))[:_MOST]
    first = [target for target in targets if target.family == targets[0].family]
    others = [target for target in targets if target.family != targets[0].family]
    turns = [target for pair in zip(first, others, strict=False) for target in pair]
    return turns + first[len(others) :] + others[len(first) :]


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return (error.strerror or str(error) or "failed").lower()


def dial(server: Address, deadline: float, attempt: Attempt) -> socket.socket:
    """Return a connection to the server, by the first of its addresses that answers.

    Args:
        server: the server's address.
        deadline: when to give up, by the monotonic clock.
        attempt: the handshake that a connection needs in order to win.

    Raises:
        ServerUnreachable: there is no connection; the sentence names the addresses that were tried.
        ChatError: what answers does not speak TLS.
        OSError: an error that the attempt takes as final.
    """
    found = resolve(server, deadline)
    handshake = handshake_needed(found, attempt)
    race = Race(server, found, handshake)
    with selectors.DefaultSelector() as selector:
        won = None
        try:
            won = _run(race, selector, deadline, handshake)
        finally:
            for key in tuple(selector.get_map().values()):
                candidate: _Candidate = key.data
                if candidate.socket is not won:
                    candidate.socket.close()
    won.settimeout(max(_AT_LEAST, deadline - time.monotonic()))
    return won


class _Candidate:
    """An address that is being tried."""

    def __init__(self, target: Target, connection: socket.socket) -> None:
        self.target = target
        self.socket = connection
        self.handshake: Handshake | None = None


def _run(race: Race, selector: selectors.BaseSelector, deadline: float, attempt: Attempt | None) -> socket.socket:
    while True:
        now = time.monotonic()
        while (target := race.due(now)) is not None:
            _start(race, selector, target)
        if race.over or now >= deadline:
            raise race.failure()
        until = deadline if race.turn is None else min(deadline, race.turn)
        for key, _ in selector.select(max(0.0, until - now)):
            candidate: _Candidate = key.data
            try:
                if _advance(race, selector, candidate, attempt):
                    return candidate.socket
            except OSError as error:
                _drop(selector, candidate)
                if attempt is not None and attempt.is_final(error):
                    raise
                race.failed(candidate.target, error)


def _start(race: Race, selector: selectors.BaseSelector, target: Target) -> None:
    try:
        connection = socket.socket(target.family, socket.SOCK_STREAM)
    except OSError as error:  # this machine does not have that family
        race.failed(target, error)
        return
    connection.setblocking(False)
    number = connection.connect_ex(target.place)
    if number and number not in _UNDER_WAY:
        connection.close()
        race.failed(target, OSError(number, os.strerror(number)))
    else:
        selector.register(connection, selectors.EVENT_WRITE, _Candidate(target, connection))


def _advance(race: Race, selector: selectors.BaseSelector, candidate: _Candidate, attempt: Attempt | None) -> bool:
    """Continue with an address; return whether it has won.

    Raises:
        OSError: it has failed.
    """
    if candidate.handshake is None:
        if number := candidate.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        if attempt is None:
            return True
        race.reached(candidate.target, time.monotonic())
        selector.unregister(candidate.socket)
        candidate.handshake = attempt.start(candidate.socket)
        candidate.socket = candidate.handshake.connection
        selector.register(candidate.socket, selectors.EVENT_WRITE, candidate)
    events = candidate.handshake.advance()
    if events:
        selector.modify(candidate.socket, events, candidate)
    return not events


def _drop(selector: selectors.BaseSelector, candidate: _Candidate) -> None:
    with contextlib.suppress(KeyError, ValueError):  # TLS failed before it began
        selector.unregister(candidate.socket)
    candidate.socket.close()


def resolve(server: Address, deadline: float) -> Found:
    """Return the addresses of the server's host.

    Raises:
        ServerUnreachable: there are none, or nobody knows in time.
    """
    try:
        return numeric(server)
    except socket.gaierror:
        pass
    answers: list[Found | Exception] = []
    thread = look_up(server, answers.append)
    thread.join(max(0.0, deadline - time.monotonic()))
    answer: Found | Exception = answers[0] if answers else TimeoutError()
    if isinstance(answer, Exception):
        raise ServerUnreachable(unresolved(server, answer))
    return answer


def look_up(server: Address, told: Callable[[Found | Exception], object]) -> Thread:
    """Have the system look a name up, in a thread that nobody has to wait for: it may take minutes.

    Args:
        server: where the name is.
        told: called in that thread with what was found.
    """

    def run() -> None:
        try:
            found: Found | Exception = _found(server)
        except (OSError, UnicodeError) as error:
            found = error
        told(found)

    thread = Thread(target=run, name="look-up", daemon=True)
    thread.start()
    return thread


def numeric(server: Address) -> Found:
    """Return the address that a host is, where it is one and no name.

    Raises:
        socket.gaierror: it is a name.
    """
    return _found(server, socket.AI_NUMERICHOST)


def _found(server: Address, flags: int = 0) -> Found:
    # Bytes are looked up as they are; for a string, the tables of international names are loaded: 2 ms of a `send`.
    host = server.host.encode() if server.host.isascii() else server.host
    return socket.getaddrinfo(host, server.port, type=socket.SOCK_STREAM, flags=flags)


def unresolved(server: Address, error: Exception) -> str:
    """Say why a name has no address, and what to do about it."""
    if isinstance(error, TimeoutError):
        return f'Nobody says in time which address "{server.host}" has: check the network, or give its IP address.'
    if isinstance(error, UnicodeError) or getattr(error, "errno", None) in _UNKNOWN:
        return f'There is no host called "{server.host}": check the spelling, or give its IP address with --server.'
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return (
            f'The name "{server.host}" cannot be looked up at the moment: check the network and the spelling, or give '
            "its IP address with --server."
        )
    reason = getattr(error, "strerror", None) or error
    return f'The name "{server.host}" cannot be looked up ({reason}): give its IP address with --server.'


def unreachable(server: Address, error: Exception, tried: str = "") -> str:
    """Say why there is no connection to the server, and what to do about it.

    Args:
        server: as it is addressed.
        error: what went wrong.
        tried: the addresses that were tried and what became of each, if there is more to say than one word.
    """
    told = f" ({tried})" if tried else ""
    if isinstance(error, ConnectionRefusedError):
        port = "" if server.port == DEFAULT_PORT else f" --port {server.port}"
        start = f'start one with "chatcli serve{port}"'
        return f"No server answers at {server}{told}: {start}, or say where it is with --server."
    if isinstance(error, TimeoutError):
        return f"{server} does not answer{told}: check the address, the network, and that no firewall is in between."
    reason = tried or (error.strerror if isinstance(error, OSError) and error.strerror else str(error))
    return f"Cannot connect to {server} ({reason}): check the address and the network."
