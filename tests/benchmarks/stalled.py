"""Measures the cost of stalled readers: ``python -m tests.benchmarks.stalled``.

A tenth of a room stops reading, then nearly all of a larger one; the senders go on. Printed are the rate of the other
readers without and with stalled ones, in one run, the server's memory for each of them, and the time that they need
once they read on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

from chatcli.client.identity.environment import new_id
from chatcli.protocol.values.address import Address
from tests.support import Caller, serving

_ROOMS = ((20, 180), (1000, 50))  # the numbers of members that stop, and that do not
_SPEAKERS, _WINDOW = 4, 10
_FILL, _MEASURED = 1000, 2000  # messages
_TEXT = "x" * 300
_ROOM = "#hall"


class Reader(asyncio.Protocol):
    """Counts messages."""

    got = 0

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport, which can pause reading."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count message lines, also those that are split between two reads."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        self.got += sum(1 for line in lines if line.startswith(b'{"t":"message"'))


class Speaker(asyncio.Protocol):
    """Sends messages, with a fixed number in flight."""

    def __init__(self) -> None:
        self._left = 0
        self._unanswered = 0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def say(self, count: int) -> asyncio.Future[None]:
        """Send messages; the future is done when all of them are answered."""
        self._left, self._done = count, asyncio.get_running_loop().create_future()
        self._go_on(_WINDOW)
        return self._done

    def _go_on(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        self._unanswered += count
        lines = (json.dumps({"t": "send", "id": new_id(), "to": _ROOM, "text": _TEXT}) for _ in range(count))
        self._transport.write("".join(f"{line}\n" for line in lines).encode())

    def data_received(self, data: bytes) -> None:
        """Send as many messages as were answered."""
        count = data.count(b'{"t":"sent"')
        self._unanswered -= count
        self._go_on(count)
        if self._done is not None and not self._unanswered and not self._done.done():
            self._done.set_result(None)


def member(address: Address, name: str, *, narrow: bool = False) -> Caller:
    """Connect, and enter the room."""
    caller = Caller(address, 4096 if narrow else 0)
    caller.greets(name, purpose="listen")
    caller.hears("welcome")
    caller.says("join", room=_ROOM)
    caller.hears("room")
    return caller


def memory(process: int) -> float:
    """Return the resident memory of a process in KiB."""
    return float(subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, check=True).stdout)


async def until(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds, as fast readers cannot report their progress."""
    while not condition():  # noqa: ASYNC110 (see above)
        await asyncio.sleep(0.005)


async def speak(speakers: list[Speaker], readers: list[Reader], count: int) -> float:
    """Send messages, and return the rate per second of each reader."""
    before, begun = [reader.got for reader in readers], time.perf_counter()
    await asyncio.gather(*(speaker.say(count // len(speakers)) for speaker in speakers))
    await until(lambda: all(reader.got - had >= count for reader, had in zip(readers, before, strict=True)))
    return count / (time.perf_counter() - begun)


async def readers_of(callers: list[Caller]) -> list[Reader]:
    """Return readers on new connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Reader, sock=caller.socket))[1] for caller in callers]


async def measure(address: Address, process: int, stopping: int, going_on: int) -> None:
    """Measure with a room of that size, and print the results."""
    loop = asyncio.get_running_loop()
    others = await readers_of([member(address, f"other{number}") for number in range(going_on)])
    speakers = []
    for number in range(_SPEAKERS):
        caller = Caller(address)
        caller.greets(f"speaker{number}", purpose="send")
        caller.hears("welcome")
        speakers.append((await loop.create_connection(Speaker, sock=caller.socket))[1])
    await speak(speakers, others, _FILL)
    without = await speak(speakers, others, _MEASURED)
    stalled = await readers_of([member(address, f"reader{number}", narrow=True) for number in range(stopping)])
    idle = memory(process)
    for reader in stalled:
        reader.transport.pause_reading()
    filling = await speak(speakers, others, _FILL)
    among = await speak(speakers, others, _MEASURED)
    after = memory(process)
    missed, begun = _FILL + _MEASURED, time.perf_counter()
    for reader in stalled:
        reader.transport.resume_reading()
    await until(lambda: all(reader.got >= missed for reader in stalled))
    taken = time.perf_counter() - begun
    write = sys.stdout.write
    write(f"{stopping:,} readers of {stopping + going_on:,} stop; each of the other {going_on} gets\n")
    write(f"  without them                 {without:7,.0f} messages/s\n")
    write(f"  while their sockets fill     {filling:7,.0f} messages/s   {filling / without:.2f} x\n")
    write(f"  while they are stalled       {among:7,.0f} messages/s   {among / without:.2f} x\n")
    write(f"memory for each of them        {(after - idle) / stopping:7,.1f} KiB\n")
    write(f"{missed:,} read by all of them     {taken:7,.1f} s   {missed * stopping / taken:,.0f} messages/s\n")


def main() -> None:
    """Measure with new servers."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for stopping, going_on in _ROOMS:
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(Path(folder), "--message-rate", "0") as (program, address),
        ):
            uvloop.run(measure(address, program.process.pid, stopping, going_on))


if __name__ == "__main__":
    main()
