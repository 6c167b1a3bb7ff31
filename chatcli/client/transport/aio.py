"""One connection to the server on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatcli.client.errors import of_greeting
from chatcli.client.identity.trust import PLAIN, Channel, Trust
from chatcli.client.transport.blocking import MAX_LINE
from chatcli.client.transport.dialer import (
    Found,
    Greeting,
    Race,
    Target,
    apart,
    look_up,
    numeric,
    unreachable,
    unresolved,
)
from chatcli.errors import ChatError, ProtocolError, ServerUnreachable
from chatcli.protocol import states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import (
    MAX_FRAME,
    Bye,
    Challenge,
    ClientFrame,
    Error,
    Hello,
    Ping,
    Pong,
    ServerBye,
    ServerFrame,
    Welcome,
)
from chatcli.protocol.states import State

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.transport.tls import Way

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CONNECTING: Final = 10.0  # seconds, the greeting included
_TO_SAY_SO: Final = 0.1  # seconds of that left to say which addresses were tried
_CHUNK: Final = 64 * 1024  # bytes taken at a time: a few hundred messages, a few milliseconds of drawing
_SILENCE: Final = 60.0  # seconds, until the server says otherwise
GOODBYE: Final = 2.0  # seconds for the server to answer ours


class LinkState(NamedTuple):
    """How a client is connected; moments are those of the event loop's clock, in seconds.

    Attributes:
        kind: connected; about to be, as soon as the server answers; or waiting before the next try.
        until: when the next try begins.
        round_trip: how long the newest ``pong`` took, in seconds; None where none has come yet.
        asked: when that ``ping`` was said which is not answered yet; None where none is open.
    """

    kind: Literal["connected", "connecting", "waiting"]
    until: float = 0.0
    round_trip: float | None = None
    asked: float | None = None


class Connection:
    """A connection whose greeting is done; see :func:`connect`.

    Attributes:
        channel: what the connection is known by.
        server_key: the fingerprint of the key that the server says is its own; empty where nothing had to be proved.
        longest: bytes of a line that the server takes.
    """

    def __init__(self, server: Address, streams: Streams, channel: Channel, *, greeted: bool = False) -> None:
        self.channel = channel
        self.server_key = ""
        self.longest = MAX_FRAME  # until the server says otherwise
        self._server = server
        self._reader, self._writer = streams
        self._greeted = greeted  # the hello was said
        self._frames = FrameReader[ServerFrame](server_frames(), MAX_LINE)
        self._state = State.GREETING
        self._waiting: deque[ServerFrame] = deque()  # frames that came along with the welcome
        self._silence = _SILENCE
        self._loop = asyncio.get_running_loop()
        self._last_said = self._loop.time()
        self._round_trip: float | None = None
        self._asked: float | None = None
        self._asked_number = 0
        self._pinging = self._loop.call_later(self._silence / 6, self._ping)

    def send(self, *frames: ClientFrame) -> None:
        """Say something; what is said on a broken connection is lost with it."""
        if frames and not self._writer.is_closing():
            self._writer.write(b"".join(map(encode, frames)))
            self._last_said = self._loop.time()

    async def greet(self, login: Login, hello: Hello) -> Welcome:
        """Say hello, prove the key, and wait for the welcome.

        Raises:
            Refused: the name is not to be had.
            ServerUnreachable: the server is about to stop, or full.
            ServerNotTrusted: the server claims another key than it shows.
        """
        if not self._greeted:
            self.send(hello)
        while True:
            frames = deque(await self.receive())
            while frames:
                frame = frames.popleft()
                if isinstance(frame, Challenge):
                    self.server_key = frame.key
                    self.send(login.prove(hello, frame, self.channel))
                if isinstance(frame, Welcome):
                    self._waiting = frames
                    self._silence, self.longest = float(frame.limits.silence), frame.limits.frame
                    return frame
                if isinstance(frame, (Error, ServerBye)):
                    raise of_greeting(frame, login.identity)

    async def receive(self) -> list[ServerFrame]:
        """Return the next frames, at least one.

        Raises:
            ServerUnreachable: the connection is gone.
            ProtocolError: the other end does not speak our protocol.
        """
        if self._waiting:
            frames = list(self._waiting)
            self._waiting.clear()
            return frames
        while True:
            data = await self._read()
            found = self._frames.feed(data)
            if found:
                frames = [self._legal(frame) for frame in found]
                if any(isinstance(frame, Pong) and frame.n == self._asked_number for frame in frames):
                    self._answered()
                return frames

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._silence):
                data = await self._reader.read(_CHUNK)
        except TimeoutError:
            raise ServerUnreachable(f"{self._server} has gone silent.") from None
        except OSError:
            data = b""
        if not data:
            raise ServerUnreachable(f"{self._server} closed the connection.")
        return data

    def _legal(self, frame: ServerFrame | BadFrame) -> ServerFrame:
        if isinstance(frame, BadFrame):
            raise ProtocolError(f"What answers at {self._server} is not a chatcli server: check the port.")
        following = states.after(states.FROM_SERVER, self._state, type(frame))
        if following is None:
            raise ProtocolError(f"{self._server} said something out of turn.")
        self._state = following
        return frame

    def _ping(self) -> None:
        """Keep the connection from falling silent: the server hears, and we hear its pong."""
        self._pinging = self._loop.call_later(self._silence / 6, self._ping)
        if self._loop.time() - self._last_said > self._silence / 4:
            self.send(Ping())

    @property
    def state(self) -> LinkState:
        """How long a question and its answer take."""
        return LinkState("connected", round_trip=self._round_trip, asked=self._asked)

    def measure(self) -> None:
        """Ask how long an answer takes, unless the last such question is still open."""
        if self._asked is None:
            self._asked = self._loop.time()
            self._asked_number += 1
            self.send(Ping(self._asked_number))

    def _answered(self) -> None:
        if self._asked is not None:
            self._round_trip = self._loop.time() - self._asked
            self._asked = None

    async def say_goodbye(self, *frames: ClientFrame) -> None:
        """Say these, then goodbye; wait a moment until the server has heard, and let go of the connection."""
        self.send(*frames, Bye())
        try:
            with contextlib.suppress(TimeoutError, ChatError):
                async with asyncio.timeout(GOODBYE):
                    while not any(isinstance(frame, ServerBye) for frame in await self.receive()):
                        pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connection."""
        self._pinging.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


async def connect(login: Login, hello: Hello) -> tuple[Connection, Welcome]:
    """Connect and log in.

    Nobody is asked about a server that is not known: a person's answer takes longer than a server waits, and must not
    keep the loop. Whoever can ask catches UnknownServer and asks outside of the loop.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
        UnknownServer: someone has to be asked whether the server's key is the right one.
        ServerNotTrusted: the server shows another key than it must.
        Refused: the server does not want this name.
        ProtocolError: what answers there is no chatcli server.
    """
    deadline = asyncio.get_running_loop().time() + _CONNECTING
    try:
        async with asyncio.timeout_at(deadline):
            connection = await _open(login, hello, deadline - _TO_SAY_SO)
            try:
                return connection, await connection.greet(login, hello)
            except BaseException:
                await connection.close()
                raise
    except TimeoutError as error:
        raise ServerUnreachable(unreachable(login.server, error)) from None


async def _open(login: Login, hello: Hello, deadline: float) -> Connection:
    """Open a connection to a trusted server; at most the hello is sent on it."""
    server, trust = login.server, login.trust
    if not trust.plain(server):
        return await _open_in_tls(server, trust, deadline)
    greeting = Greeting(server, encode(hello))
    streams = await _dial(server, deadline, greeting)
    return Connection(server, streams, PLAIN, greeted=greeting.said)


async def _open_in_tls(server: Address, trust: Trust, deadline: float) -> Connection:
    from chatcli.client.transport import tls

    doubt = None
    for way in tls.ways(server, trust):
        try:
            streams = await _dial(server, deadline, way)
        except tls.NotVouched as error:
            doubt = error
            continue
        try:
            shown = streams[1].get_extra_info("ssl_object")
            channel = tls.shown(server, shown)
            trust.check(server, channel, vouched=way.vouched, doubt=tls.doubt(server, shown, doubt))
        except BaseException:
            streams[1].transport.abort()  # politeness is for servers that are trusted
            raise
        return Connection(server, streams, channel)
    raise AssertionError  # the last way needs nobody's word


async def _dial(server: Address, deadline: float, way: Way | Greeting) -> Streams:
    """Connect to the first of the server's addresses that answers; see :func:`chatcli.client.transport.dialer.dial`."""
    loop = asyncio.get_running_loop()
    found = await _resolve(server, deadline)
    first_words = way if apart(found, way) else None
    race = Race(server, found, first_words)
    tasks: dict[asyncio.Task[Streams], Target] = {}
    try:
        while True:
            now = loop.time()
            while (target := race.due(now)) is not None:
                tasks[asyncio.create_task(_try(target, race, first_words), name="dial")] = target
            if race.over or now >= deadline:
                raise race.failure()
            until = deadline if race.turn is None else min(deadline, race.turn)
            done, _ = await asyncio.wait(tasks, timeout=until - now, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    won = task.result()
                except OSError as error:
                    if way.decides(error):
                        raise
                    race.failed(tasks.pop(task), error)
                else:
                    del tasks[task]
                    return won
    finally:
        await _give_up(tasks)


async def _try(target: Target, race: Race, way: Way | Greeting | None) -> Streams:
    """Connect to one address; the connection stands before its first words begin, which the race wants to know."""
    loop = asyncio.get_running_loop()
    connection = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, target.place)
        if way is None:
            return await asyncio.open_connection(sock=connection, limit=_CHUNK)
        race.reached(target, loop.time())
        if isinstance(way, Greeting):
            await _answered(connection, way)
            return await asyncio.open_connection(sock=connection, limit=_CHUNK)
        name = way.host_name
        return await asyncio.open_connection(sock=connection, limit=_CHUNK, ssl=way.context, server_hostname=name)
    except BaseException:
        connection.close()
        raise


async def _answered(connection: socket.socket, greeting: Greeting) -> None:
    """Say hello, and wait until an answer has begun to come."""
    handshake = greeting.begin(connection)
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
    """End the tries that are still under way; one that has just connected is closed."""
    for task in tasks:
        task.cancel()
    for streams in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(streams, BaseException):
            streams[1].transport.abort()


async def _resolve(server: Address, deadline: float) -> Found:
    """Return the addresses of the server's host; a look-up that takes long is left alone, also at the program's end."""
    try:
        return numeric(server)
    except socket.gaierror:
        pass
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found | Exception] = loop.create_future()

    def answered(found: Found | Exception) -> None:
        if not answer.done():
            answer.set_result(found)

    def told(found: Found | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits for it
            loop.call_soon_threadsafe(answered, found)

    look_up(server, told)
    try:
        async with asyncio.timeout_at(deadline):
            found = await answer
    except TimeoutError as error:
        found = error
    if isinstance(found, Exception):
        raise ServerUnreachable(unresolved(server, found))
    return found
