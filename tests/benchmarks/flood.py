"""Measures the cost to others of five connections at full speed: ``python -m tests.benchmarks.flood``.

Two users exchange fifty messages a second, and each message is timed until its delivery. Meanwhile five connections
send one kind of line as fast as they can, before or after the welcome. The generator is on the same machine: so each
kind is measured in turn with a flood into a sink, which reads and drops everything. Medians over the rounds are
printed; the ratio is that of the 99th percentiles.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing as mp
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

from chatcli.protocol.values.address import Address
from tests.support import Caller, key_of, new_id, serving

_CONNECTIONS: Final = 5
_PAUSE: Final = 0.02  # seconds between two messages
_LINE: Final = 64 * 1024

#: The kinds of lines, each with the frames that it needs before.
LINES: Final[dict[str, bytes]] = {
    "newline": b"\n",
    "spaces": b" " * 99 + b"\n",
    "ping": b'{"t":"ping"}\n',
    "ack": b'{"t":"ack","seq":1}\n',
    "bad JSON": b"nonsense\n",
    "who": b'{"t":"who"}\n',
    "rooms": b'{"t":"rooms"}\n',
    "history": b'{"t":"history","of":"bob","limit":500}\n',
    "search": b'{"t":"search","text":"hello"}\n',
    "unread": b'{"t":"unread"}\n',
    "topic": b'{"t":"topic","room":"#flood","text":"%s"}\n' % (b"t" * 490),
    "leave and join": b'{"t":"leave","room":"#flood"}\n{"t":"join","room":"#flood"}\n',
    "away": b'{"t":"away","text":"lunch"}\n',
    "misspelt": b'{"t":"history","of":"aliec"}\n',
    "send": b"",  # with a new id each time
}
GREETING: Final = ("newline", "spaces", "ping", "bad JSON")


class Flood(NamedTuple):
    """A flood: its target, its lines, and whether its connections log in first."""

    address: Address
    line: str
    welcomed: bool


def _chunk(line: str) -> bytes:
    if line != "send":
        return LINES[line] * (_LINE // len(LINES[line]))
    said = ({"t": "send", "id": new_id(), "to": "mallory0", "text": "x" * 100} for _ in range(_LINE // 180))
    return b"".join(json.dumps(frame).encode() + b"\n" for frame in said)


def _connect(flood: Flood, number: int, *, sink: bool) -> socket.socket:
    if sink or not flood.welcomed:
        return socket.create_connection(flood.address[:2])
    caller = Caller(flood.address)
    caller.greets(f"mallory{number}", key=key_of("mallory"), purpose="send")
    caller.hears("welcome")
    caller.enters("#flood")
    return caller.socket


def pour(flood: Flood, sink: bool, ready: object, stop: object) -> None:
    """Send lines on five connections as fast as possible, and read the answers, in a process of its own."""
    selector = selectors.DefaultSelector()
    rest: dict[socket.socket, bytes] = {}
    for number in range(_CONNECTIONS):
        connection = _connect(flood, number, sink=sink)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        rest[connection] = b""
    ready.set()  # type: ignore[attr-defined] # an event of multiprocessing
    chunk = _chunk(flood.line)
    while not stop.is_set():  # type: ignore[attr-defined] # as above
        for key, events in selector.select(0.05):
            connection = cast("socket.socket", key.fileobj)
            try:
                if events & selectors.EVENT_READ and not connection.recv(1 << 18):
                    raise ConnectionResetError
                if events & selectors.EVENT_WRITE:
                    data = rest[connection] or (_chunk("send") if flood.line == "send" else chunk)
                    rest[connection] = data[connection.send(data) :]
            except BlockingIOError:
                continue
            except OSError:  # closed because of its lines: reconnect
                selector.unregister(connection)
                connection.close()
                again = _connect(flood, 0, sink=sink) if not flood.welcomed else None
                if again is not None:
                    again.setblocking(False)
                    selector.register(again, selectors.EVENT_READ | selectors.EVENT_WRITE)
                    rest[again] = b""


class Sink:
    """Reads and drops everything, as slowly as a server reads from a client without allowance."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listening.getsockname()[:2])
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connections.append(self._listening.accept()[0])

    def close(self) -> None:
        """Close everything."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._connections:
            connection.close()


@contextlib.contextmanager
def flooding(flood: Flood, *, sink: bool) -> Iterator[None]:
    """Flood the server, or a sink, during the block."""
    context = mp.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    hole = Sink() if sink else None
    target = flood if hole is None else flood._replace(address=hole.address)
    process = context.Process(target=pour, args=(target, sink, ready, stop))
    process.start()
    try:
        assert ready.wait(20)
        yield
    finally:
        stop.set()
        process.join(20)
        if hole is not None:
            hole.close()


def paced(alice: Caller, bob: Caller, seconds: float) -> list[float]:
    """Return the latency of each message in milliseconds."""
    found = []
    bob.says("ping")  # a client that is silent for a minute counts as dead
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        alice.sends("bob", f"{begun}")
        while (frame := bob.next()) is not None and frame["t"] != "message":
            pass
        found.append((time.perf_counter() - begun) * 1000)
        alice.hears("sent")
        time.sleep(_PAUSE)
    return sorted(found)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile of the values."""
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(
    talk: Callable[[], list[float]], flood: Flood, rounds: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return p50 and p99 beside a flood into a sink, and beside one into the server, by turns."""
    found: dict[bool, list[list[float]]] = {True: [], False: []}
    for _ in range(rounds):
        for sink in (True, False):
            with flooding(flood, sink=sink):
                found[sink].append(talk())
    without, beside = (
        (
            statistics.median(percentile(one, 0.5) for one in found[sink]),
            statistics.median(percentile(one, 0.99) for one in found[sink]),
        )
        for sink in (True, False)
    )
    return without, beside


def write(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line)
    sys.stdout.flush()


def main() -> None:
    """Measure, and print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="this kind of line")
    options = parser.parse_args()
    kinds = [(line, True) for line in LINES] + [(line, False) for line in GREETING]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (_, address):
        with Caller(address) as alice, Caller(address) as bob:
            for caller, name in ((alice, "alice"), (bob, "bob")):
                caller.greets(name)
                caller.hears("welcome")
            paced(alice, bob, 1.0)
            write(f"{'line':<28}{'p50, ms':>9}{'p99':>8}{'flooded: p50':>15}{'p99':>8}{'ratio':>8}\n")
            for line, welcomed in kinds:
                if options.only in (None, line):
                    flood = Flood(address, line, welcomed)
                    without, beside = measure(lambda: paced(alice, bob, options.seconds), flood, options.rounds)
                    name = line if welcomed else f"{line}, before hello"
                    write(
                        f"{name:<28}{without[0]:>9.2f}{without[1]:>8.2f}{beside[0]:>15.2f}{beside[1]:>8.2f}"
                        f"{beside[1] / without[1]:>8.2f}\n"
                    )


if __name__ == "__main__":
    main()
