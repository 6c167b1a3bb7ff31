"""A connection to a server on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from chatcli.client.errors import login_refusal
from chatcli.client.transport.dialer import (
    Found,
    Greeting,
    Race,
    Target,
    addresses,
    attempts,
    handshake_needed,
    numeric,
    turns,
    unreachable,
)
from chatcli.errors import ChatError, ServerUnreachable
from chatcli.protocol.client_connection import ClientConnection
from chatcli.protocol.frames import Bye, ClientFrame, Error, Hello, Ping, Pong, ServerBye, ServerFrame, Welcome
from chatcli.protocol.keys import Channel
from chatcli.protocol.values.address import Address

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.transport.dialer import Attempt, Turn
    from chatcli.client.transport.tls import TlsAttempt

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Answer = socket.socket | Exception  # of the thread that opens a tunnel

_CONNECTING: Final = 10.0  # seconds, including the login
_FOR_THE_SENTENCE: Final = 0.1  # seconds of that for the sentence about the addresses that were tried
_CHUNK: Final = 64 * 1024  # bytes read at a time: a few hundred messages, which are drawn in a few milliseconds
_BETWEEN_PINGS: Final = 0.05  # seconds at least
GOODBYE: Final = 2.0  # seconds for the server to answer a goodbye


class LinkState(NamedTuple):
    """The state of a client's connection; moments are those of the event loop's clock, in seconds.

    Attributes:
        kind: connected, connecting, or waiting before the next attempt.
        until: the moment of the next attempt.
        round_trip: the newest round trip in seconds; None if none was measured yet.
        asked: the moment of the ping without an answer; None if there is none.
    """

    kind: Literal["connected", "connecting", "waiting"]
    until: float = 0.0
    round_trip: float | None = None
    asked: float | None = None


class Connection:
    """A connection on asyncio; see :func:`connect`.

    Args:
        server: the server.
        streams: the connection to it.
        protocol: the state of the connection, and what may be sent on it.
    """

    def __init__(self, server: Server, streams: Streams, protocol: ClientConnection) -> None:
        self._server = server
        self._reader, self._writer = streams
        self._protocol = protocol
        self._received: deque[ServerFrame] = deque()  # frames that came along with the welcome
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._loop.time()
        self._round_trip: float | None = None
        self._asked: float | None = None
        self._asked_number = 0
        self._pinging = self._loop.call_later(protocol.ping_interval, self._ping)

    @property
    def channel(self) -> Channel:
        """The channel that proofs on this connection are bound to."""
        return self._protocol.channel

    @property
    def server_key(self) -> str:
        """The fingerprint of the key that the server claims; empty where nothing had to be proved."""
        return self._protocol.server_key

    def fits(self, frame: ClientFrame) -> bool:
        """Return whether a frame is as short as the server requires."""
        return self._protocol.fits(frame)

    def send(self, *frames: ClientFrame) -> None:
        """Send frames; on a broken connection they are lost with it."""
        if self._writer.is_closing():
            return
        if data := self._protocol.send(*frames):
            self._writer.write(data)
            self._last_sent = self._loop.time()

    async def log_in(self, hello: Hello, key_path: str, *, hello_sent: bool) -> Welcome:
        """Send the hello, prove the key, and receive the welcome.

        Raises:
            Refused: the name is not to be had.
            ServerUnreachable: the server is about to stop, or full.
            ServerNotTrusted: the server claims another key than it shows.
        """
        data = self._protocol.send(hello)
        if not hello_sent:
            self._writer.write(data)
        while (welcome := self._protocol.welcome) is None:
            frames = deque(await self._receive())
            while frames and not isinstance(frame := frames.popleft(), Welcome):
                if isinstance(frame, (Error, ServerBye)):
                    raise login_refusal(frame, key_path, purpose=hello.purpose)
            self._received = frames
            self.send()  # the proof
        self._pinging.cancel()
        self._ping()  # from now on as often as the server requires
        return welcome

    async def receive(self) -> list[ServerFrame]:
        """Return the next frames, at least one.

        Raises:
            ServerUnreachable: the connection is gone.
            ProtocolError: the other end does not speak the protocol.
        """
        if self._received:
            frames = list(self._received)
            self._received.clear()
        else:
            frames = await self._receive()
        answered = any(isinstance(frame, Pong) and frame.n == self._asked_number for frame in frames)
        if self._asked is not None and answered:
            self._round_trip = self._loop.time() - self._asked
            self._asked = None
        return frames

    async def _receive(self) -> list[ServerFrame]:
        self._protocol.check()
        while True:
            if frames := self._protocol.receive(await self._read()):
                return frames

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._protocol.limits.silence):
                data = await self._reader.read(_CHUNK)
        except TimeoutError:
            raise ServerUnreachable(f"{self._server} has gone silent.") from None
        except OSError:
            data = b""
        if not data:
            raise ServerUnreachable(f"{self._server} closed the connection.")
        return data

    def _ping(self) -> None:
        """Send a ping if one is due, and look again when the next one will be."""
        idle = self._loop.time() - self._last_sent
        if self._protocol.needs_ping(idle):
            self.send(Ping())
        left = self._last_sent + self._protocol.ping_interval - self._loop.time()
        self._pinging = self._loop.call_later(max(_BETWEEN_PINGS, left), self._ping)

    @property
    def state(self) -> LinkState:
        """The state of the link, with the newest round trip."""
        return LinkState("connected", round_trip=self._round_trip, asked=self._asked)

    def measure(self) -> None:
        """Measure the round trip, unless a measurement is under way."""
        if self._asked is None:
            self._asked = self._loop.time()
            self._asked_number += 1
            self.send(Ping(self._asked_number))

    async def log_out(self, *frames: ClientFrame) -> None:
        """Send these frames and a goodbye, wait a moment for the server's, and close the connection."""
        self.send(*frames, Bye())
        try:
            with contextlib.suppress(TimeoutError, ChatError):
                async with asyncio.timeout(GOODBYE):
                    while not any(isinstance(frame, ServerBye) for frame in await self.receive()):
                        pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self._pinging.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


async def connect(login: Login, hello: Hello) -> tuple[Connection, Welcome]:
    """Connect, at the first of the server's addresses that answers, and log in.

    Nobody is asked about an unknown server: a person answers more slowly than a server waits, and would block the
    loop. Callers that can ask catch UnknownServer, and ask outside of the loop.

    Raises:
        ServerUnreachable: there is no connection; the sentence says what to look at.
        UnknownServer: a person must confirm the server's key.
        ServerNotTrusted: the server shows another key than it must.
        Refused: the server refuses the name.
        ProtocolError: what answers is not a chatcli server.
    """
    deadline = asyncio.get_running_loop().time() + _CONNECTING
    try:
        async with asyncio.timeout_at(deadline):
            streams, channel, hello_sent = await _open(login, hello, deadline - _FOR_THE_SENTENCE)
            protocol = ClientConnection(login.server, login.identity, channel)
            connection = Connection(login.server, streams, protocol)
            key_path = "" if login.identity is None else login.identity.path
            try:
                return connection, await connection.log_in(hello, key_path, hello_sent=hello_sent)
            except BaseException:
                await connection.close()
                raise
    except TimeoutError as error:
        raise ServerUnreachable(unreachable(login.server.name, error)) from None


async def _open(login: Login, hello: Hello, deadline: float) -> tuple[Streams, Channel, bool]:
    """Open a connection to a trusted server; return also whether the hello was sent on it."""
    for turn in turns(login.server, deadline, asyncio.get_running_loop().time):
        try:
            return await _open_at(turn, login, hello)
        except ServerUnreachable:
            if turn.is_last:
                raise
    raise AssertionError  # the last turn returns or raises


async def _open_at(turn: Turn, login: Login, hello: Hello) -> tuple[Streams, Channel, bool]:
    doubt = None
    for attempt in attempts(login, turn.address, hello):
        try:
            streams = await _dial(turn.address, turn.until, attempt)
        except OSError as error:
            doubt = error  # no authority vouches for the server: the next attempt goes by its key
            continue
        try:
            secure = streams[1].get_extra_info("ssl_object")
            return streams, attempt.accept(secure, doubt), attempt.hello_sent
        except BaseException:
            streams[1].transport.abort()  # politeness is for servers that are trusted
            raise
    raise AssertionError  # the last attempt raises no OSError


async def _dial(server: Address, deadline: float, attempt: Attempt) -> Streams:
    """Connect to the first of the server's addresses that answers; see :func:`chatcli.client.transport.dialer.dial`."""
    if server.scheme and not isinstance(attempt, Greeting):
        return await _dial_through_tunnel(server, deadline, attempt)
    loop = asyncio.get_running_loop()
    found = await _resolve(server, deadline)
    handshake = handshake_needed(found, attempt)
    race = Race(server, found, handshake)
    tasks: dict[asyncio.Task[Streams], Target] = {}
    try:
        while True:
            now = loop.time()
            while (target := race.due(now)) is not None:
                tasks[asyncio.create_task(_try(target, race, handshake), name="dial")] = target
            if race.over or now >= deadline:
                raise race.failure()
            until = deadline if race.next_at is None else min(deadline, race.next_at)
            done, _ = await asyncio.wait(tasks, timeout=until - now, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    won = task.result()
                except OSError as error:
                    if attempt.is_final(error):
                        raise
                    race.failed(tasks.pop(task), error)
                else:
                    del tasks[task]
                    return won
    finally:
        await _give_up(tasks)


async def _dial_through_tunnel(server: Address, deadline: float, attempt: TlsAttempt) -> Streams:
    """Open a tunnel in a thread, and the server's own TLS in it; errors as :func:`tunnel.dial`."""
    from chatcli.client.transport import tunnel

    try:
        async with asyncio.timeout_at(deadline):
            connection = await _tunnel(server, deadline - _FOR_THE_SENTENCE)
            try:
                return await _streams(connection, ssl=attempt.context, server_hostname=attempt.host_name)
            except BaseException:
                connection.close()
                raise
    except OSError as error:
        raise tunnel.inner_failure(server, attempt, error) from None


async def _tunnel(server: Address, deadline: float) -> socket.socket:
    """Open a tunnel in a thread; errors as :func:`tunnel.open_tunnel`."""
    from chatcli.client.transport import tunnel

    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()
    tunnel.start_opening(server, time.monotonic() + deadline - loop.time(), partial(_report, answer))
    try:
        found = await answer
    except asyncio.CancelledError:
        if answer.done() and not answer.cancelled():  # it came in the same turn of the loop
            _discard(answer.result())
        raise
    if isinstance(found, Exception):
        raise found
    return found


def _report(answer: asyncio.Future[_Answer], found: _Answer) -> None:
    """Report a tunnel from its thread; it is closed if nobody waits for it any more."""

    def settle() -> None:
        if answer.done():
            _discard(found)
        else:
            answer.set_result(found)

    try:
        answer.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:  # the loop has ended
        _discard(found)


def _discard(found: _Answer) -> None:
    if not isinstance(found, Exception):
        found.close()


async def _try(target: Target, race: Race, attempt: Attempt | None) -> Streams:
    """Connect to one address; report to the race that a connection is established, before the handshake."""
    loop = asyncio.get_running_loop()
    connection = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, target.place)
        if attempt is None:
            return await _streams(connection)
        race.established(target, loop.time())
        if isinstance(attempt, Greeting):
            await _greet(connection, attempt)
            return await _streams(connection)
        context, name = attempt.context, attempt.host_name
        return await _streams(connection, ssl=context, server_hostname=name)
    except BaseException:
        connection.close()
        raise


class _Reader(asyncio.StreamReader):
    """A reader that loses nothing that has come: what the server says last is the reason why it hangs up."""

    def set_exception(self, exc: Exception) -> None:  # noqa: ARG002 (asyncio's signature)
        """End the stream after what has come; the error may be that of a write."""
        self.feed_eof()


async def _streams(connection: socket.socket, **tls: Any) -> Streams:  # noqa: ANN401 (passed on)
    """Open streams, as :func:`asyncio.open_connection` does."""
    loop = asyncio.get_running_loop()
    reader = _Reader(_CHUNK, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=connection, **tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _greet(connection: socket.socket, greeting: Greeting) -> None:
    """Send the hello, and wait for the first byte of an answer."""
    handshake = greeting.start(connection)
    while events := handshake.advance():
        await _ready(connection, events)


async def _ready(connection: socket.socket, events: int) -> None:
    """Wait for events of the selectors module."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    reading = events == selectors.EVENT_READ
    (loop.add_reader if reading else loop.add_writer)(connection, ready.set)
    try:
        await ready.wait()
    finally:
        (loop.remove_reader if reading else loop.remove_writer)(connection)


async def _give_up(tasks: Iterable[asyncio.Task[Streams]]) -> None:
    """Cancel the attempts that are under way, and close those that have just connected."""
    for task in tasks:
        task.cancel()
    for streams in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(streams, BaseException):
            streams[1].transport.abort()


async def _resolve(server: Address, deadline: float) -> Found:
    """Return the addresses of the server's host; a slow look-up is abandoned, also when the program ends."""
    try:
        return numeric(server)
    except socket.gaierror:
        pass
    from chatcli.client.transport.resolver import start_look_up, unresolved

    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found | Exception] = loop.create_future()

    def set_answer(found: Found | Exception) -> None:
        if not answer.done():
            answer.set_result(found)

    def report(found: Found | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits for it
            loop.call_soon_threadsafe(set_answer, found)

    start_look_up(lambda: addresses(server), report)
    try:
        async with asyncio.timeout_at(deadline):
            found = await answer
    except TimeoutError as error:
        found = error
    if isinstance(found, Exception):
        raise ServerUnreachable(unresolved(server, found))
    return found
