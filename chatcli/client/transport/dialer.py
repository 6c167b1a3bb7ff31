"""Connects to the first address of a host that answers, so that silent ones do not hold up the others (RFC 8305).

The order of attempts, :class:`Race`, does no I/O: it serves the blocking dialler here and the one on asyncio.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from chatcli.errors import ChatError, ProtocolError, ServerUnreachable
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import PLAIN, Channel
from chatcli.protocol.values.address import DEFAULT_PORT, Address

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.transport.tls import TlsAttempt
    from chatcli.protocol.frames import Hello


CONNECTING: Final = 0.25  # seconds for an address to answer before the next one is tried (RFC 8305, section 8)
GREETING: Final = 0.75  # seconds for the handshake on an established connection, likewise
_AT_LEAST: Final = 0.001  # seconds: zero would mean to wait for ever
_MOST: Final = 16  # addresses of one host that are tried
_FIRST: Final = b"{"  # the first byte of everything that a server sends
_UNDER_WAY: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK)
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)

#: The addresses of a host, as ``getaddrinfo`` returns them.
Found = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]


class Target(Struct, frozen=True):
    """One address of a host, in the form for a socket."""

    family: int
    place: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.place[0])


class Handshake(Protocol):
    """A handshake on an established connection: of TLS, or a greeting."""

    @property
    def connection(self) -> socket.socket:
        """The connection to use once the handshake is done."""

    def advance(self) -> int:
        """Continue as far as possible; return the events to wait for, or 0 once the handshake is done."""


class Opener(Protocol):
    """Something that makes handshakes on established connections."""

    def start(self, plain: socket.socket, /) -> Handshake:
        """Start on an established, non-blocking connection."""

    def is_final(self, error: OSError, /) -> bool:
        """Return whether an error is the answer of the server, so that no other address is tried."""

    def failure(self, error: Exception, /) -> ChatError | None:
        """Return the exception for a handshake that failed; None if the handshake is not at fault."""


#: One way to open a connection: plain, or in TLS with certain checks.
Attempt: TypeAlias = "Greeting | TlsAttempt"
Some = TypeVar("Some", bound=Opener)


class HungUp(ServerUnreachable):
    """A connection was established, and ended before its time, as by a server that is being restarted."""


class _Foreign(OSError):
    """Another service answers."""


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
        """Return False: another service, or a closed connection, says nothing about the other addresses."""
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
    """A greeting on one connection: done with the first byte of an answer, which stays unread."""

    def __init__(self, connection: socket.socket, hello: bytes) -> None:
        self.connection = connection
        self._hello = hello

    def advance(self) -> int:
        """Continue as far as possible; return the events to wait for, or 0 once the handshake is done.

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


class Turn(NamedTuple):
    """One address of a server, and the moment until which it is tried."""

    address: Address
    until: float
    is_last: bool


def turns(server: Server, deadline: float, clock: Callable[[], float]) -> Iterator[Turn]:
    """Yield the addresses of a server in order, each with an equal share of the time that is left.

    Args:
        server: the server.
        deadline: when the last turn ends.
        clock: returns the present moment, by the same clock.
    """
    *others, last = server.addresses
    for index, address in enumerate(others):
        now = clock()
        yield Turn(address, now + (deadline - now) / (len(server.addresses) - index), is_last=False)
    yield Turn(last, deadline, is_last=True)


def attempts(login: Login, address: Address, hello: Hello | None) -> Sequence[Attempt]:
    """Return the attempts to make in order, each on a connection of its own; after an ``OSError`` the next one.

    Args:
        login: the server, and which servers to trust.
        address: the server's address to dial.
        hello: the first frame.

    Raises:
        InputError: the file of known servers cannot be used.
    """
    # A name may have a key, which must be shown on this machine, too; and an address elsewhere always needs TLS.
    if login.trust.plain(login.server.name) and login.trust.plain(address):
        return [Greeting(address, b"" if hello is None else encode(hello))]
    from chatcli.client.transport import tls

    return tls.attempts(login.server.name, address, login.trust)


def handshake_needed(found: Found, attempt: Some) -> Some | None:
    """Return the attempt if it has a handshake that must succeed: a greeting has one only with several addresses."""
    if isinstance(attempt, Greeting) and (len(_interleaved(found)) == 1 or not attempt.is_possible):
        return None
    return attempt


class Race:
    """The order in which the addresses of a server are tried, and what became of each.

    Args:
        server: the server's address, as given.
        found: the addresses of its host.
        attempt: explains failures of handshakes; None if there are none.
    """

    def __init__(self, server: Address, found: Found, attempt: Opener | None = None) -> None:
        self._server = server
        self._attempt = attempt
        self._waiting = _interleaved(found)
        self._running: dict[Target, bool] = {}  # whether the connection is established
        self._failed: list[tuple[Target, OSError]] = []
        self._next_at = 0.0

    def due(self, now: float) -> Target | None:
        """Return the address to try now, if there is one; each is returned once."""
        if not self._waiting or (self._running and now < self._next_at):
            return None
        target = self._waiting.pop(0)
        self._running[target] = False
        self._next_at = now + CONNECTING
        return target

    @property
    def next_at(self) -> float | None:
        """The moment to try the next address; None if there is no other."""
        return self._next_at if self._waiting else None

    @property
    def over(self) -> bool:
        """Whether every address has failed."""
        return not self._waiting and not self._running

    def established(self, target: Target, now: float) -> None:
        """Record that a connection is established, and its handshake starts."""
        self._running[target] = True
        self._next_at = now + GREETING

    def failed(self, target: Target, error: OSError) -> None:
        """Record the failure of an address; the next one is tried at once."""
        self._running.pop(target, None)
        self._failed.append((target, error))
        self._next_at = 0.0

    def failure(self) -> ChatError:
        """Return the exception that says why there is no connection. Unfinished attempts count as too slow."""
        errors = [error for _, error in self._failed]
        if self._attempt is not None and not self._running:
            for error in reversed(errors):
                if (explained := self._attempt.failure(error)) is not None:
                    return explained
        late = bool(self._running) or any(isinstance(error, TimeoutError) for error in errors)
        error = TimeoutError() if late or not errors else errors[0]
        return ServerUnreachable(unreachable(self._server, error, self._tried()))

    def _tried(self) -> str:
        """Return the addresses and their failures; empty if that would say no more than the server's address."""
        tried = [(str(target), _reason(error)) for target, error in self._failed]
        tried += [
            (str(target), "connected, but does not speak" if is_established else "does not answer")
            for target, is_established in self._running.items()
        ]
        tried += [(str(target), "no time was left") for target in self._waiting]
        if [address for address, _ in tried] == [self._server.host]:
            return ""
        return ", ".join(f"{address}: {why}" for address, why in tried)


def _interleaved(found: Found) -> list[Target]:
    """Return the addresses with their families alternating, so that a family without a route costs one attempt."""
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


def dial(server: Address, deadline: float, attempt: Opener) -> socket.socket:
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
    with _selector(server) as selector:
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


def _selector(server: Address) -> selectors.BaseSelector:
    try:
        return selectors.DefaultSelector()
    except OSError as error:  # it has a descriptor of its own
        raise ServerUnreachable(unreachable(server, error)) from None


class _Candidate:
    """An address that is being tried, and its connection."""

    def __init__(self, target: Target, connection: socket.socket) -> None:
        self.target = target
        self.socket = connection
        self.handshake: Handshake | None = None


def _run(race: Race, selector: selectors.BaseSelector, deadline: float, attempt: Opener | None) -> socket.socket:
    while True:
        now = time.monotonic()
        while (target := race.due(now)) is not None:
            _start(race, selector, target)
        if race.over or now >= deadline:
            raise race.failure()
        until = deadline if race.next_at is None else min(deadline, race.next_at)
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
    except OSError as error:  # this machine has no addresses of that family
        race.failed(target, error)
        return
    connection.setblocking(False)
    number = connection.connect_ex(target.place)
    if number and number not in _UNDER_WAY:
        connection.close()
        race.failed(target, OSError(number, os.strerror(number)))
    else:
        selector.register(connection, selectors.EVENT_WRITE, _Candidate(target, connection))


def _advance(race: Race, selector: selectors.BaseSelector, candidate: _Candidate, attempt: Opener | None) -> bool:
    """Continue with an address; return whether it has won.

    Raises:
        OSError: it has failed.
    """
    if candidate.handshake is None:
        if number := candidate.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        if attempt is None:
            return True
        race.established(candidate.target, time.monotonic())
        selector.unregister(candidate.socket)
        candidate.handshake = attempt.start(candidate.socket)
        candidate.socket = candidate.handshake.connection
        selector.register(candidate.socket, selectors.EVENT_WRITE, candidate)
    events = candidate.handshake.advance()
    if events:
        selector.modify(candidate.socket, events, candidate)
    return not events


def _drop(selector: selectors.BaseSelector, candidate: _Candidate) -> None:
    with contextlib.suppress(KeyError, ValueError):  # TLS failed before its socket was registered
        selector.unregister(candidate.socket)
    candidate.socket.close()


def resolve(server: Address, deadline: float) -> Found:
    """Return the addresses of the server's host.

    Raises:
        ServerUnreachable: there are none, or nobody knows them in time.
    """
    try:
        return numeric(server)
    except socket.gaierror:
        from chatcli.client.transport.resolver import look_up

        return look_up(server, lambda: addresses(server), deadline)


def numeric(server: Address) -> Found:
    """Return the address that a host is, if it is one and not a name.

    Raises:
        socket.gaierror: it is a name.
    """
    return addresses(server, socket.AI_NUMERICHOST)


def addresses(server: Address, flags: int = 0) -> Found:
    """Return the addresses of the server's host, which may take minutes.

    Raises:
        OSError, UnicodeError: there are none.
    """
    # Bytes are looked up as they are. For a string, the tables of international names are loaded: 2 ms of a `send`.
    host = server.host.encode() if server.host.isascii() else server.host
    return socket.getaddrinfo(host, server.port, type=socket.SOCK_STREAM, flags=flags)


def unreachable(server: Address, error: Exception, tried: str = "") -> str:
    """Return a sentence that says why there is no connection to the server, and what to do about it.

    Args:
        server: the server's address.
        error: what went wrong.
        tried: the addresses that were tried and what became of each; empty if that says no more than ``error``.
    """
    details = f" ({tried})" if tried else ""
    if isinstance(error, ConnectionRefusedError) and server.scheme:
        return f"Nothing answers at {server}{details}: check the address, and that what forwards from there runs."
    if isinstance(error, ConnectionRefusedError):
        port = "" if server.port == DEFAULT_PORT else f" --port {server.port}"
        start = f'start one with "chatcli serve{port}"'
        return f"No server answers at {server}{details}: {start}, or say where it is with --server."
    if isinstance(error, TimeoutError):
        return f"{server} does not answer{details}: check the address, the network, and that no firewall is in between."
    if isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS:
        return f"Cannot connect to {server}: too many files are open here. Close some, or raise the limit (ulimit -n)."
    reason = tried or (error.strerror if isinstance(error, OSError) and error.strerror else str(error))
    return f"Cannot connect to {server} ({reason}): check the address and the network."
