"""Measures streams by HTTP: ``python -m tests.benchmarks.streams``.

Readers of one room are given what four speakers say, as Server-Sent Events or as lines of our own protocol, each kind
with a server of its own. Printed are the server's memory for each idle reader, and the deliveries a second.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, cast

import uvloop

from chatcli.protocol.values.address import Address
from tests.benchmarks.stalled import Speaker, memory
from tests.support import Caller, serving

_SPEAKERS: Final = 4
_ROOM: Final = "#hall"
_WARM: Final = 100  # messages


class Reader(asyncio.Protocol):
    """Counts messages."""

    got = 0
    begun = False
    mark = b'"from":"speaker'

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count messages, also those that are split between two reads."""
        self.begun = True
        data = self._rest + data
        self.got += data.count(self.mark)
        self._rest = data[-len(self.mark) + 1 :]


async def event_reader(address: Address, token: str) -> Reader:
    """Return a reader of events, once its stream has begun."""
    _, reader = await asyncio.get_running_loop().create_connection(Reader, *address[:2])
    ask = f"GET /{_ROOM[1:]}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    reader.transport.write(ask.encode())
    await until(lambda: reader.begun)
    return reader


async def line_reader(address: Address, token: str) -> Reader:
    """Return a reader of our own protocol."""
    _, reader = await asyncio.get_running_loop().create_connection(Reader, *address[:2])
    hello = f'{{"t":"hello","version":1,"purpose":"listen","token":"{token}","revision":1}}\n'
    reader.transport.write(hello.encode())
    return reader


async def until(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds, as fast readers cannot report their progress."""
    while not condition():  # noqa: ASYNC110 (see above)
        await asyncio.sleep(0.001)


async def speak(speakers: list[Speaker], readers: list[Reader], count: int) -> float:
    """Send messages, and return the deliveries a second."""
    before, begun = [reader.got for reader in readers], time.perf_counter()
    await asyncio.gather(*(speaker.say(count // len(speakers)) for speaker in speakers))
    await until(lambda: all(reader.got - had >= count for reader, had in zip(readers, before, strict=True)))
    return len(readers) * count / (time.perf_counter() - begun)


Connect = Callable[[Address, str], Awaitable[Reader]]


async def measure(address: Address, process: int, connect: Connect, options: argparse.Namespace) -> None:
    """Measure one kind of readers, and print the results."""
    owner = Caller(address)
    owner.greets("owner", purpose="send")
    owner.hears("welcome")
    owner.enters(_ROOM)
    token = owner.asks("token", scope="read")["token"]
    speakers = []
    for number in range(_SPEAKERS):
        caller = Caller(address)
        caller.greets(f"speaker{number}", purpose="send")
        caller.hears("welcome")
        speakers.append((await asyncio.get_running_loop().create_connection(Speaker, sock=caller.socket))[1])
    warm = [await connect(address, token) for _ in range(100)]
    await speak(speakers, warm, _WARM)
    before = memory(process)
    readers = [await connect(address, token) for _ in range(options.readers)]
    await asyncio.sleep(2)
    idle = (memory(process) - before) / options.readers
    for reader in warm:
        reader.transport.close()
    await speak(speakers, readers, _WARM)
    rates = sorted([await speak(speakers, readers, options.messages) for _ in range(3)])
    sys.stdout.write(f"{connect.__name__}: {idle:.2f} KiB each, {rates[1]:,.0f} deliveries/s\n")


def main() -> None:
    """Measure with new servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=1000)
    options = parser.parse_args()
    most = str(options.readers + 1000)
    unlimited = ["--message-rate", "0", "--max-connections", most, "--address-connections", most]
    connects: list[Connect] = [line_reader, event_reader]
    for connect in connects:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *unlimited) as (program, address):
            uvloop.run(measure(address, program.process.pid, connect, options))


if __name__ == "__main__":
    main()
