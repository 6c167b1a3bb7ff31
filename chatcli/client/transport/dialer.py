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
from typing import Any, Final, NamedTuple, Protocol

from chatcli.errors import ChatError, ProtocolError, ServerUnreachable
from chatcli.protocol.address import DEFAULT_PORT, Address

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


class Secure(Protocol):
    """How the first words on a connection begin, and what their failures mean."""

    def begin(self, plain: socket.socket) -> Handshake:
        """Begin on a connection that stands."""

    def decides(self, error: OSError, /) -> bool:
        """Return whether the server has answered, so that no other address is to be tried."""

    def failure(self, error: Exception) -> ChatError | None:
        """Return what to say of a handshake that failed, or None where something else did."""


class HungUp(ServerUnreachable):
    """An address took the connection and ended it, as a server does that is just being started again."""


class _Foreign(OSError):
    """What answers does not speak our protocol."""


class Greeting:
    """The hello on a plain connection; its answer tells a server from what else is at one of several addresses.

    Args:
        server: as it is addressed.
        hello: what to say first.

    Attributes:
        said: whether the hello was said, and answered, on the connection that has won.
    """

    def __init__(self, server: Address, hello: bytes) -> None:
        self.said = False
        self._hello = hello
        self._server = server

    def begin(self, plain: socket.socket) -> Handshake:
        """Begin on a connection that stands, and does not block."""
        self.said = True
        return _Greeted(plain, self._hello)

    def decides(self, _error: OSError, /) -> bool:
        """Return False: what hangs up or is another service says nothing about the other addresses."""
        return False

    def failure(self, error: Exception) -> ChatError | None:
        """Return what to say of a greeting that failed, or None where something else did."""
        if isinstance(error, _Foreign):
            return ProtocolError(f"What answers at {self._server} is not a chatcli server: check the port.")
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            return HungUp(
                f"{self._server} broke the connection: is it a chatcli server? Check the address, or try again."
            )
        return None


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


def apart(found: Found, secure: Secure | None) -> Secure | None:
    """Return how to tell the addresses apart: a greeting is needed only where there are several."""
    return None if isinstance(secure, Greeting) and len(_in_turns(found)) == 1 else secure


class Race:
    """Whose turn it is among the addresses of a server, and what became of each.

    Args:
        server: as it is addressed.
        found: its addresses.
        secure: what explains failures of the first words.
    """

    def __init__(self, server: Address, found: Found, secure: Secure | None = None) -> None:
        self._server = server
        self._secure = secure
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
        if self._secure is not None and not self._running:
            for error in reversed(errors):
                if (explained := self._secure.failure(error)) is not None:
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


def dial(server: Address, deadline: float, secure: Secure | None = None) -> socket.socket:
    """Return a connection to the server, by the first of its addresses that answers.

    Args:
        server: where to.
        deadline: until when, by the monotonic clock.
        secure: what to do on a connection before it has won.

    Raises:
        ServerUnreachable: with a sentence that names the addresses that were tried.
        ChatError: what answers does not speak TLS.
        OSError: as ``secure`` lets it decide.
    """
    found = resolve(server, deadline)
    secure = apart(found, secure)
    race = Race(server, found, secure)
    with selectors.DefaultSelector() as selector:
        won = None
        try:
            won = _run(race, selector, deadline, secure)
        finally:
            for key in tuple(selector.get_map().values()):
                attempt: _Attempt = key.data
                if attempt.socket is not won:
                    attempt.socket.close()
    won.settimeout(max(_AT_LEAST, deadline - time.monotonic()))
    return won


class _Attempt:
    """An address that is being tried."""

    def __init__(self, target: Target, connection: socket.socket) -> None:
        self.target = target
        self.socket = connection
        self.handshake: Handshake | None = None


def _run(race: Race, selector: selectors.BaseSelector, deadline: float, secure: Secure | None) -> socket.socket:
    while True:
        now = time.monotonic()
        while (target := race.due(now)) is not None:
            _begin(race, selector, target)
        if race.over or now >= deadline:
            raise race.failure()
        until = deadline if race.turn is None else min(deadline, race.turn)
        for key, _ in selector.select(max(0.0, until - now)):
            attempt: _Attempt = key.data
            try:
                if _advance(race, selector, attempt, secure):
                    return attempt.socket
            except OSError as error:
                _drop(selector, attempt)
                if secure is not None and secure.decides(error):
                    raise
                race.failed(attempt.target, error)


def _begin(race: Race, selector: selectors.BaseSelector, target: Target) -> None:
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
        selector.register(connection, selectors.EVENT_WRITE, _Attempt(target, connection))


def _advance(race: Race, selector: selectors.BaseSelector, attempt: _Attempt, secure: Secure | None) -> bool:
    """Go on with an attempt; return whether it has won.

    Raises:
        OSError: it has failed.
    """
    if attempt.handshake is None:
        if number := attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        if secure is None:
            return True
        race.reached(attempt.target, time.monotonic())
        selector.unregister(attempt.socket)
        attempt.handshake = secure.begin(attempt.socket)
        attempt.socket = attempt.handshake.connection
        selector.register(attempt.socket, selectors.EVENT_WRITE, attempt)
    events = attempt.handshake.advance()
    if events:
        selector.modify(attempt.socket, events, attempt)
    return not events


def _drop(selector: selectors.BaseSelector, attempt: _Attempt) -> None:
    with contextlib.suppress(KeyError, ValueError):  # TLS failed before it began
        selector.unregister(attempt.socket)
    attempt.socket.close()


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
