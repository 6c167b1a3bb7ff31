"""How many direct messages a server takes, and how long one takes: ``python -m tests.benchmarks.pairs``.

The generator is Python as well, in a process of its own on the other core, and takes as much of it as the server: the
figures are for comparing one chatcli with another in one run, not with other servers.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from chatcli.client.ids import new_id
from chatcli.protocol.address import Address
from tests.support import Caller, serving

_PAIRS, _WINDOW, _SECONDS = 50, 50, 5.0
_TEXT = "x" * 100


class Speaker(asyncio.Protocol):
    """Sends to its listener, keeping so many messages in flight."""

    def __init__(self, name: str, window: int) -> None:
        self._name = name
        self._window = window
        self._sent_at: list[float] = []
        self.acknowledged = 0
        self.latencies: list[float] = []
        self.speaking = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send(self._window)

    def _send(self, count: int) -> None:
        to = f"listen{self._name}"
        self._transport.write(b"".join(_line(t="send", id=new_id(), to=to, text=_TEXT) for _ in range(count)))
        self._sent_at += [time.perf_counter()] * count

    def data_received(self, data: bytes) -> None:
        """Count what was acknowledged, and send as many again."""
        count = data.count(b'{"t":"sent"')
        now = time.perf_counter()
        self.latencies += [now - at for at in self._sent_at[:count]]
        del self._sent_at[:count]
        self.acknowledged += count
        if self.speaking and count:
            self._send(count)


class Listener(asyncio.Protocol):
    """Counts what it gets."""

    got = 0

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.got += data.count(b'{"t":"message"')


def _line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def welcomed(address: Address, user: str, purpose: str) -> Caller:
    """Connect and prove the key, before anything is measured."""
    caller = Caller(address)
    caller.greets(user, purpose=purpose)
    caller.hears("welcome")
    return caller


async def measure(address: Address, pairs: int, window: int) -> str:
    """Run one load and describe what came out."""
    loop = asyncio.get_running_loop()
    callers = [[welcomed(address, f"{kind}{n}", kind) for n in range(pairs)] for kind in ("listen", "send")]
    listeners = [(await loop.create_connection(Listener, sock=caller.socket))[1] for caller in callers[0]]
    speakers = [
        (await loop.create_connection(partial(Speaker, str(n), window), sock=caller.socket))[1]
        for n, caller in enumerate(callers[1])
    ]
    await asyncio.sleep(1)
    before, begun = sum(listener.got for listener in listeners), time.perf_counter()
    for speaker in speakers:
        speaker.latencies.clear()
    await asyncio.sleep(_SECONDS)
    rate = (sum(listener.got for listener in listeners) - before) / (time.perf_counter() - begun)
    latencies = sorted(latency for speaker in speakers for latency in speaker.latencies)
    for speaker in speakers:
        speaker.speaking = False
    p50, p99 = statistics.median(latencies) * 1000, latencies[int(len(latencies) * 0.99)] * 1000
    return f"{rate:9,.0f} messages/s   acknowledged after p50 {p50:6.2f} ms, p99 {p99:6.2f} ms"


def main() -> None:
    """Measure a full and a gentle load against a server of its own."""
    for pairs, window in ((_PAIRS, _WINDOW), (1, 1)):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (_, address):
            result = uvloop.run(measure(address, pairs, window))
            sys.stdout.write(f"{pairs:3} pairs, window {window:2}:  {result}\n")


if __name__ == "__main__":
    main()
