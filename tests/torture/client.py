"""A client that talks, stalls, hangs up and reconnects, and repeats unanswered messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from tests.support import Frame, key_of, narrow
from tests.torture.ledger import Ledger

_WINDOW: Final = 20  # unanswered messages of one client
_CHUNK: Final = 1 << 14  # bytes
_GOODBYE: Final = 60.0  # seconds
_STALL: Final = 3.0  # seconds, on average, that a client does not read
_CONNECTED: Final = 12.0  # and that it stays


class Gone(Exception):
    """The connection has ended, in whatever way."""


class Wrong(Exception):
    """The server sent a frame that it must not send."""


class Lines:
    """The frames of a connection, read from the socket no faster than requested."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._lines: deque[bytes] = deque()
        self._rest = b""

    async def next(self) -> Frame:
        """Return the next frame.

        Raises:
            Gone: there is none.
        """
        while not self._lines:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines.extend(lines)
        frame: Frame = json.loads(self._lines.popleft())
        return frame


@dataclass(slots=True)
class Town:
    """The clients and their rooms.

    Attributes:
        members: of each room, by index.
        port: the server's present port.
        quiet: whether no more messages are sent.
        allowance: messages left to send, all together; None for any number.
        rate: approximate messages a second from each client; 0 for as many as possible.
    """

    clients: int
    members: dict[str, list[int]]
    ledger: Ledger
    chance: random.Random
    rate: float
    port: int = 0
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    allowance: int | None = None

    @property
    def talking(self) -> bool:
        """Return whether there are messages left to send."""
        return not self.quiet.is_set()

    def recipients(self, to: str, sender: int) -> list[int]:
        """Return the recipients of a message without its sender."""
        everyone = self.members[to] if to.startswith("#") else [int(to[1:])]
        return [index for index in everyone if index != sender]


@dataclass(slots=True)
class Client:
    """A client: ``t0``, ``t1`` and so on.

    Attributes:
        unanswered: the unanswered messages by id, in order.
        live: whether the feed has caught up.
        fallen_back: the number of further catch-ups on the same connection.
    """

    town: Town
    index: int
    rooms: list[str]
    unanswered: OrderedDict[str, Frame] = field(default_factory=OrderedDict)
    live: asyncio.Event = field(default_factory=asyncio.Event)
    connects: int = 0
    fallen_back: int = 0
    _number: int = 0

    @property
    def name(self) -> str:
        """Return its name."""
        return f"t{self.index}"

    async def come(self) -> None:
        """Connect for the first time, and enter the rooms."""
        lines, writer = await self._connect()
        for number, room in enumerate(self.rooms, 1):
            _say(writer, t="join", room=room, n=number)
        for _ in self.rooms:
            await self._hear_answer(lines, "room")
        writer.close()

    async def live_on(self) -> None:
        """Talk, stall, hang up and reconnect, until all messages are sent and answered."""
        while self.town.talking or self.unanswered:
            try:
                await self._one_connection()
            except Gone:
                await asyncio.sleep(self.town.chance.uniform(0.05, 0.2))

    async def catch_up(self) -> None:
        """Reconnect, and read everything."""
        while True:
            with contextlib.suppress(Gone):
                lines, writer = await self._connect()
                while not self.live.is_set():
                    self._hear(await lines.next())
                writer.close()
                return
            await asyncio.sleep(0.1)

    async def _connect(self) -> tuple[Lines, asyncio.StreamWriter]:
        """Connect, prove the key, and resume after the last message."""
        self.live.clear()
        try:
            reader, writer = await asyncio.open_connection(sock=await self._dial(), limit=_CHUNK)
        except OSError as error:
            raise Gone from error
        lines = Lines(reader)
        key = key_of("torture")
        since = self.town.ledger.accounts[self.index].last
        _say(writer, t="hello", version=1, user=self.name, key=key_text(key.public), since=since, client=self.name)
        challenge = await self._hear_answer(lines, "challenge")
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user=self.name,
            purpose="join",
            channel=b"",
        )
        _say(writer, t="prove", signature=key_text(key.sign(signed_bytes(claim))))
        await self._hear_answer(lines, "welcome")
        self.connects += 1
        return lines, writer

    async def _dial(self) -> socket.socket:
        """Connect; every second client has so small a buffer that the server notices a stall."""
        dialled = socket.socket()
        dialled.setblocking(False)
        if self.index % 2:
            narrow(dialled)
        try:
            await asyncio.get_running_loop().sock_connect(dialled, ("127.0.0.1", self.town.port))
        except BaseException:
            dialled.close()
            raise
        return dialled

    async def _hear_answer(self, lines: Lines, tag: str) -> Frame:
        while (frame := await lines.next())["t"] != tag:
            self._hear(frame)
        return frame

    async def _one_connection(self) -> None:
        """Stay connected until the connection ends."""
        lines, writer = await self._connect()
        chance = self.town.chance
        try:
            writer.write(b"".join(_line(frame) for frame in self.unanswered.values()))
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(lines), name=f"{self.name} reads")
                talking = tasks.create_task(self._talk(writer), name=f"{self.name} talks")
                done, _ = await asyncio.wait(
                    [reading, talking], timeout=chance.expovariate(1 / _CONNECTED), return_when=asyncio.FIRST_COMPLETED
                )
                if not done and chance.random() < 0.5:
                    _say(writer, t="bye")
                    await asyncio.wait([reading], timeout=_GOODBYE)
                reading.cancel()
                talking.cancel()
        except* (Gone, OSError):
            pass
        finally:
            writer.transport.abort()

    async def _read(self, lines: Lines) -> None:
        """Read, and stall now and then, longer than socket buffers can hide."""
        chance = self.town.chance
        while True:
            for _ in range(chance.randrange(1, 1000)):
                self._hear(await lines.next())
                if not self.town.talking and not self.unanswered:
                    return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.town.quiet.wait(), chance.expovariate(1 / _STALL))

    async def _talk(self, writer: asyncio.StreamWriter) -> None:
        """Send messages while some are left, with a bounded number of unanswered ones."""
        town = self.town
        while town.talking:
            await asyncio.sleep(town.chance.expovariate(town.rate) if town.rate else 0.001)
            lines = []
            while len(self.unanswered) < _WINDOW and town.talking:
                lines.append(_line(self._something()))
                if town.rate:
                    break
            writer.write(b"".join(lines))
            await writer.drain()
        await asyncio.Event().wait()  # wait for answers

    def _something(self) -> Frame:
        town, chance = self.town, self.town.chance
        if town.allowance is not None:
            town.allowance -= 1
            if not town.allowance:
                town.quiet.set()
        to = chance.choice(self.rooms) if self.rooms and chance.random() < 0.5 else f"t{chance.randrange(town.clients)}"
        self._number += 1
        text = f"{self.name} {self._number} " + "x" * int(chance.paretovariate(1) * 50 % 16_000)
        frame = {"t": "send", "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "to": to, "text": text}
        self.unanswered[frame["id"]] = frame
        town.ledger.sent += 1
        return frame

    def _hear(self, frame: Frame) -> None:
        """Record a frame in the ledger."""
        match frame:
            case {"t": "message", "seq": seq, "from": sender, "to": to}:
                theirs = to in self.rooms or self.name in (sender, to)
                self.town.ledger.deliver(self.index, seq, own=sender == self.name, theirs=theirs)
            case {"t": "sent", "id": identity, "seq": seq}:
                said = self.unanswered.pop(identity, None)
                if said is not None:
                    self.town.ledger.acknowledge(seq, self.town.recipients(said["to"], self.index))
            case {"t": "live"}:
                self.fallen_back += self.live.is_set()
                self.live.set()
            case {"t": "bye", "code": "left" | "stopping" | "taken_over"}:
                raise Gone
            case {"t": "error" | "bye"}:
                raise Wrong(f"{self.name}: {frame}")


def _say(writer: asyncio.StreamWriter, **fields: object) -> None:
    writer.write(_line(fields))


def _line(frame: Mapping[str, object]) -> bytes:
    return json.dumps(frame).encode() + b"\n"


def settle_in(town: Town, rooms: int) -> Sequence[Client]:
    """Create the clients, each in a few of the rooms."""
    names = [f"#r{number}" for number in range(rooms)]
    clients = [Client(town, index, town.chance.sample(names, min(3, rooms))) for index in range(town.clients)]
    for name in names:
        town.members[name] = [client.index for client in clients if name in client.rooms]
    return clients
