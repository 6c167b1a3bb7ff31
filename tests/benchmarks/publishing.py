"""Measures messages by HTTP, and what they do to others' latency: ``python -m tests.benchmarks.publishing``."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from chatcli.protocol.values.address import Address
from tests.admin import does
from tests.support import Caller, key_of, serving

_CALLERS = 20  # connections, each with a token of its own
_RATE = 1000  # messages a second by HTTP, all together
_PROBES = 100  # messages a second by others, one at a time
_WINDOW = 1.0  # seconds with and without messages by HTTP, alternating, so that both see the same machine
_WINDOWS = 22  # of both kinds: a token is good for 600 messages at once

_Times = list[tuple[float, float]]  # when each began, and how long it took


def _loaded(at: float) -> bool:
    """Return whether a moment, counted from the start, is in a window with messages by HTTP."""
    return int(at / _WINDOW) % 2 == 1


async def _publish(address: Address, token: str, start: float, offset: float, times: _Times) -> None:
    """Say something again and again on one connection, at its part of the rate, in every other window."""
    reader, writer = await asyncio.open_connection(*address[:2])
    request = (
        f"POST /bench HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
    ).encode() + b"x" * 100
    due = offset
    while due < _WINDOWS * _WINDOW:
        if _loaded(due):
            await asyncio.sleep(max(0.0, start + due - time.monotonic()))
            begun = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200 "), head + answer
            times.append((begun - start, time.monotonic() - begun))
        due += _CALLERS / _RATE
    writer.close()


async def _publish_all(address: Address, tokens: list[str], start: float) -> _Times:
    times: _Times = []
    await asyncio.gather(
        *(_publish(address, token, start, number / _RATE, times) for number, token in enumerate(tokens))
    )
    return times


def _load(address: Address, tokens: list[str], start: float, results: Connection) -> None:
    """Run the callers by HTTP, in a process of their own."""
    results.send(asyncio.run(_publish_all(address, tokens, start)))


def _probe(address: Address, start: float) -> _Times:
    """Return the times that messages between two people take from one to the other."""
    times: _Times = []
    with Caller(address) as alice, Caller(address) as bob:
        for caller, name in ((alice, "alice"), (bob, "bob")):
            caller.greets(name, key=key_of(name))
            caller.hears("welcome")
        due = 0.0
        while due < _WINDOWS * _WINDOW:
            time.sleep(max(0.0, start + due - time.monotonic()))
            begun = time.monotonic()
            alice.sends("bob", "x" * 100)
            message = bob.hears("message")
            times.append((begun - start, time.monotonic() - begun))
            bob.says("ack", seq=message["seq"])
            alice.hears("sent")
            due = max(due + 1 / _PROBES, time.monotonic() - start)
    return times


def _processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _line(name: str, times: list[float]) -> str:
    taken = sorted(times)
    p50, p99 = statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000
    return f"{name:36} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms\n"


def main() -> None:
    """Measure with and without messages by HTTP in turn, and print both."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (program, address):
        data = Path(folder)
        with Caller(address) as listener:
            listener.greets("listener", key=key_of("listener"))
            listener.hears("welcome")
            listener.enters("#bench")
        tokens = [str(does(data, "token", to=f"bench-{one}", scope="send")["token"]) for one in range(_CALLERS)]
        ours, theirs = multiprocessing.Pipe()
        start = time.monotonic() + 3.0  # until then the other process has started
        process = multiprocessing.get_context("spawn").Process(target=_load, args=(address, tokens, start, theirs))
        process.start()
        time.sleep(max(0.0, start - time.monotonic() - 0.5))
        before = _processor_time(program.process.pid)
        probes = _probe(address, start)
        published = [took for _, took in ours.recv()]
        used = _processor_time(program.process.pid) - before
        process.join()
    alone = [took for at, took in probes if not _loaded(at)]
    together = [took for at, took in probes if _loaded(at)]
    rate = len(published) / (_WINDOWS * _WINDOW / 2)
    sys.stdout.write(f"{rate:.0f} messages a second by HTTP, in {used:.1f} s of the server's processor time\n")
    sys.stdout.write(_line("others without them", alone) + _line("others with them", together))
    sys.stdout.write(_line("by HTTP, from request to answer", published))


if __name__ == "__main__":
    main()
